"""Entry of the masked objective: its options, and the papers it covers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.entry import ObjectiveEntry

Weight = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class MaskedOptions(ContrastiveOptions):
    """Options of `objective: {name: masked}`; those of its contrastive part stand beside them."""

    contrast: Weight = Field(1.0, description="weight of the contrastive terms together")
    reconstruct: Weight = Field(1.0, description="weight of filling in what was hidden")
    match: Weight = Field(1.0, description="weight of telling pairs from near misses")
    mask_ratio: float = Field(0.6, gt=0.0, lt=1.0, description="share of a sample that is hidden")
    normalise: bool = Field(True, description="continuous targets: mean 0, deviation 1 per token")
    width: int = Field(128, ge=8, description="width of the joint encoder")
    depth: int = Field(1, ge=1, le=4, description="blocks of the joint encoder")
    heads: int = Field(4, ge=1, description="attention heads of the joint encoder")

    @model_validator(mode="after")
    def _fits(self) -> MaskedOptions:
        if self.contrast + self.reconstruct + self.match == 0:
            raise ValueError("contrast, reconstruct and match are all 0: nothing to learn from")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of {self.heads} heads")
        return self


MASKED = ObjectiveEntry(
    name="masked",
    builder="pipelines.objectives.masked_loss:Masked",
    options=MaskedOptions,
    summary="contrast of masked views, joint reconstruction of what was hidden, pair matching",
    papers=("CROMA", "TIP", "X-Former", "VAEmo", "M3AE"),
    needs=frozenset({"recon", "tokens"}),
    cost="2x",
    examples=(
        {"width": 16, "heads": 2},
        {"width": 16, "heads": 2, "match": 0.0, "normalise": False, "targets": "same_text"},
        {"width": 8, "heads": 2, "depth": 2, "contrast": 0.0, "temperature_per": "edge"},
        {"width": 8, "heads": 1, "reconstruct": 0.0, "targets": "same_label", "label": "finding"},
    ),
)
