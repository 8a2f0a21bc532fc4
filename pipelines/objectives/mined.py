"""Entry of the mined objective: the hardest rows of the whole training split as negatives."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipelines.objectives.entry import ObjectiveEntry
from pipelines.objectives.further import RememberedOptions


class MinedOptions(RememberedOptions):
    """Options of `objective: {name: mined}`."""

    k: int = Field(8, ge=1, description="mined negatives of a row, per edge and direction")
    margin: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = Field(
        0.1, description="who scores this much above the row's own partner is taken for right"
    )
    refresh: int = Field(1, ge=1, description="epochs from one search for neighbours to the next")


MINED = ObjectiveEntry(
    name="mined",
    builder="pipelines.objectives.mined_loss:Mined",
    options=MinedOptions,
    summary="contrastive, with each row's hardest neighbours among all training rows as negatives",
    papers=("U-MARVEL", "CLIPPINGS"),
    needs=frozenset({"memory"}),
    cost="1x and one inference pass per refresh",
    examples=({}, {"k": 2, "targets": "same_text", "margin": 0.5}, {"exclude_same_group": False}),
)
