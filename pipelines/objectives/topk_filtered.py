"""Entry of the filtered top-k objective: only the hardest negatives that are not too alike."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.entry import ObjectiveEntry


class TopkFilteredOptions(ContrastiveOptions):
    """Options of `objective: {name: topk_filtered}`."""

    k: Annotated[int, Field(ge=1)] = Field(8, description="hardest negatives kept for each row")
    margin: Annotated[float, Field(allow_inf_nan=False)] = Field(
        0.1, description="a candidate that scores this much above the right answer is no negative"
    )
    targets: Literal["identity", "same_text", "same_label"] = "identity"
    temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.02
    temperature_per: Literal["shared"] = "shared"


TOPK_FILTERED = ObjectiveEntry(
    name="topk_filtered",
    builder="pipelines.objectives.topk_filtered_loss:TopkFiltered",
    options=TopkFilteredOptions,
    summary="contrastive against the hardest negatives, likely false ones left out",
    papers=("UniME",),
    examples=(
        {"temperature": 0.07},
        {"k": 2, "margin": 0.0, "temperature": 0.07},
        {"k": 1, "targets": "same_text", "smoothing": 0.1},
        {"k": 3, "targets": "same_label", "label": "finding", "exclude_same_group": False},
    ),
)
