"""Entry of the contrastive objective: its options, and the papers it covers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.objectives.entry import ObjectiveEntry
from workbench.modality import Options


class ContrastiveOptions(Options):
    """Options of `objective: {name: contrastive}`."""

    score: Literal["cosine"] = "cosine"
    targets: Literal["identity", "same_text", "same_label", "graded"] = "identity"
    label: str | None = Field(None, description="label column for same_label")
    ranks: tuple[str, ...] = Field((), description="columns from coarse to fine for graded")
    temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.07
    learn_temperature: bool = True
    smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    exclude_same_group: bool = Field(
        True, description="other rows of the same patient are never negatives"
    )

    @model_validator(mode="after")
    def _columns(self) -> ContrastiveOptions:
        if self.targets == "same_label" and self.label is None:
            raise ValueError("targets same_label needs label: a manifest column")
        if self.targets == "graded" and not self.ranks:
            raise ValueError("targets graded needs ranks: columns from coarse to fine")
        return self


CONTRASTIVE = ObjectiveEntry(
    name="contrastive",
    builder="pipelines.objectives.contrastive_loss:Contrastive",
    options=ContrastiveOptions,
    summary="symmetric cross-entropy per edge, presence masks, several right answers",
    papers=("CLIP", "MoRE", "OCTCube-M (COEP)", "CLIBD", "SupCon"),
    needs=frozenset({"labels"}),
)
