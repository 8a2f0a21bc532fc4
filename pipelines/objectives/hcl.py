"""Entry of the hard-negative objective: similar wrong answers weigh more."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.entry import ObjectiveEntry


class HclOptions(ContrastiveOptions):
    """Options of `objective: {name: hcl}`."""

    beta: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = Field(
        1.0, description="concentration on hard negatives; 0 weighs all alike"
    )
    tau_plus: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.1, description="share of negatives believed to be right answers in truth"
    )
    score: Literal["cosine"] = "cosine"
    targets: Literal["identity", "same_text", "same_label"] = "identity"
    temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.5
    temperature_per: Literal["shared"] = "shared"
    learn_temperature: bool = False
    smoothing: Annotated[float, Field(ge=0.0, le=0.0)] = Field(
        0.0, description="not with weighted negatives"
    )


HCL = ObjectiveEntry(
    name="hcl",
    builder="pipelines.objectives.hcl_loss:Hcl",
    options=HclOptions,
    summary="contrastive with negatives weighted by hardness and corrected for false ones",
    papers=("HCL (Robinson et al.)", "Hard-neg HAR"),
    examples=(
        {},
        {"beta": 0.0, "tau_plus": 0.0, "learn_temperature": True, "temperature": 0.07},
        {"targets": "same_text", "beta": 2.0},
        {"targets": "same_label", "label": "finding", "exclude_same_group": False},
    ),
)
