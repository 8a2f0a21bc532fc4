"""Entry of the contrastive objective: its options, and the papers it covers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.objectives.entry import ObjectiveEntry
from workbench.modality import Options

FINEST = 0.6
"""Share of a graded target that goes to the finest rank."""


class ContrastiveOptions(Options):
    """Options of `objective: {name: contrastive}`."""

    score: Literal["cosine"] = "cosine"
    targets: Literal["identity", "same_text", "same_label", "graded"] = "identity"
    label: str | None = Field(None, description="label column for same_label")
    ranks: tuple[str, ...] = Field((), description="columns from coarse to fine for graded")
    rank_weights: tuple[Annotated[float, Field(gt=0.0, allow_inf_nan=False)], ...] | None = Field(
        None, description="share of the target per rank; by default the finest has 0.6"
    )
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
        if self.targets == "graded" and len(self.ranks) < 2:
            raise ValueError("targets graded needs ranks: two or more columns, coarse to fine")
        if self.rank_weights is not None and len(self.rank_weights) != len(self.ranks):
            raise ValueError(
                f"rank_weights has {len(self.rank_weights)} numbers for {len(self.ranks)} ranks"
            )
        return self

    def shares(self) -> tuple[float, ...]:
        """Return the share of the target that each rank gets, summing to 1.

        By default the finest rank gets 0.6 and each rank above it half of what is left, the
        coarsest the rest: 0.1, 0.1, 0.2, 0.6 for four ranks.
        """
        given = self.rank_weights
        if given is not None:
            return tuple(weight / sum(given) for weight in given)
        left, found = 1.0, []
        for number in range(len(self.ranks) - 1):
            found.append(left * (FINEST if number == 0 else 0.5))
            left -= found[-1]
        return (left, *reversed(found))


CONTRASTIVE = ObjectiveEntry(
    name="contrastive",
    builder="pipelines.objectives.contrastive_loss:Contrastive",
    options=ContrastiveOptions,
    summary="symmetric cross-entropy per edge, presence masks, several right answers",
    papers=("CLIP", "MoRE", "OCTCube-M (COEP)", "CLIBD", "SupCon"),
    needs=frozenset({"labels"}),
)
