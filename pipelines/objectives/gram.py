"""Entry of the volume objective: a query against all modalities of a record at once."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.entry import ObjectiveEntry


class GramOptions(ContrastiveOptions):
    """Options of `objective: {name: gram}`.

    Training compares by volume. The volume sees no sign, so that alone it may learn a modality
    turned round, which cosine then never retrieves: `anchored` adds plain contrastive terms, and
    without them evaluation has to use the volume as well.
    """

    volumes: ClassVar[bool] = True

    anchored: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] = Field(
        1.0, description="weight of contrastive cosine terms between the query and each candidate"
    )
    score: Literal["volume", "cosine"] = Field(
        "cosine", description="score of evaluation; cosine by default while anchored is above 0"
    )
    smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.1, description="label smoothing of the volume terms"
    )

    @model_validator(mode="before")
    @classmethod
    def _default_score(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("anchored") == 0:
            return {"score": "volume", **given}
        return given

    @model_validator(mode="after")
    def _usable_score(self) -> GramOptions:
        if self.anchored == 0 and self.score == "cosine":
            raise ValueError(
                "score cosine needs anchored above 0: volumes alone do not tell a vector from its "
                "opposite; set score: volume"
            )
        if self.score_options:
            raise ValueError("score_options must be empty: neither volume nor cosine has options")
        return self


GRAM = ObjectiveEntry(
    name="gram",
    builder="pipelines.objectives.gram_loss:Gram",
    options=GramOptions,
    summary="volume spanned by a query and all modalities of a record, with contrastive pairs",
    papers=("GRAM",),
    joint=True,
    cost="1.1x",
    examples=(
        {},
        {"anchored": 0.0},
        {"anchored": 0.5, "score": "volume", "targets": "same_text", "smoothing": 0.0},
        {"targets": "same_label", "label": "finding", "temperature_per": "edge"},
    ),
)
