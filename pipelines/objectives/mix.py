"""Entry of the mixing objective: mixed vectors first, soft targets later."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.entry import ObjectiveEntry

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class MixOptions(ContrastiveOptions):
    """Options of `objective: {name: mix}`."""

    share: Share = Field(0.5, description="share of the rows that are mixed with another")
    beta: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = Field(
        0.15, description="both parameters of the Beta distribution that parts are drawn from"
    )
    until: Share = Field(1 / 3, description="share of the training after which targets are soft")
    sides: Literal["query", "both"] = Field(
        "both", description="mix the query only, or each side in turn"
    )
    score: Literal["cosine"] = "cosine"
    targets: Literal["identity"] = "identity"
    temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.1
    soft_temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.125


MIX = ObjectiveEntry(
    name="mix",
    builder="pipelines.objectives.mix_loss:Mix",
    options=MixOptions,
    summary="contrastive with mixed vectors, then with soft targets: for small cohorts",
    papers=("M3CoL", "MindEye", "MixCo"),
    cost="2x",
    examples=(
        {},
        {"share": 1.0, "sides": "query", "temperature_per": "edge", "smoothing": 0.1},
        {"until": 0.0},
        {"until": 0.1, "sides": "query", "exclude_same_group": False},
        {"share": 0.9, "exclude_same_group": False},
    ),
)
