"""Entry of the simdino objective: views agree while their coding rate keeps them apart."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipelines.objectives.entry import ObjectiveEntry, ObjectiveOptions

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


class SimDinoOptions(ObjectiveOptions):
    """Options of `objective: {name: simdino}`."""

    alignment: Positive = Field(1.0, description="weight of the agreement of views")
    distortion: Positive = Field(0.05, description="squared distortion ε² of the coding rate")
    ema_decay: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        0.996, description="decay of the averaged towers"
    )


SIMDINO = ObjectiveEntry(
    name="simdino",
    builder="pipelines.objectives.simdino_loss:SimDino",
    options=SimDinoOptions,
    summary="two views of both modalities agree with the averaged towers; a coding rate keeps them apart",
    papers=("SimDINO", "M3Ret"),
    needs=frozenset({"ema", "views"}),
    cost="2x",
    examples=({}, {"alignment": 2.0, "distortion": 0.5}),
)
