"""Entry of the contrastive objective: its options, and the papers it covers."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, model_validator

from pipelines.objectives.entry import Need, ObjectiveEntry, ObjectiveOptions

TOKEN_SCORES = frozenset({"late", "segment_attention", "mil_nce", "fdt"})
"""Scores that compare tokens instead of pooled vectors."""

LABELLED = frozenset({"same_label", "graded"})
"""Targets that read labels or ranks."""

FINEST = 0.6
"""Share of a graded target that goes to the finest rank."""


class ContrastiveOptions(ObjectiveOptions):
    """Options of `objective: {name: contrastive}`."""

    volumes: ClassVar[bool] = False
    """Whether what these options describe can be trained by volume without losing the sign."""

    score: str = Field("cosine", description="registry name of the score, kept for evaluation")
    score_options: dict[str, Any] = Field(default_factory=dict, description="options of the score")
    targets: Literal["identity", "same_text", "same_label", "graded", "soft"] = "identity"
    label: str | None = Field(None, description="label column for same_label")
    ranks: tuple[str, ...] = Field((), description="columns from coarse to fine for graded")
    rank_weights: tuple[Annotated[float, Field(gt=0.0, allow_inf_nan=False)], ...] | None = Field(
        None, description="share of the target per rank; by default the finest has 0.6"
    )
    soft_from: str | None = Field(None, description="modality whose likeness makes soft targets")
    soft_temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.1
    soft_share: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.3, description="most of a row's target that its likes may have; its partner has the rest"
    )
    temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 0.07
    temperature_per: Literal["shared", "edge"] = "shared"
    learn_temperature: bool = True
    smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    exclude_same_group: bool = Field(
        True, description="other rows of the same patient are never negatives"
    )

    @model_validator(mode="after")
    def _columns(self) -> ContrastiveOptions:
        if self.targets == "same_label" and self.label is None:
            raise ValueError("targets same_label needs label: a manifest column")
        if self.targets == "soft" and self.soft_from is None:
            raise ValueError("targets soft needs soft_from: a modality of the pipeline")
        if self.targets == "graded" and len(self.ranks) < 2:
            raise ValueError("targets graded needs ranks: two or more columns, coarse to fine")
        if self.rank_weights is not None and len(self.rank_weights) != len(self.ranks):
            raise ValueError(
                f"rank_weights has {len(self.rank_weights)} numbers for {len(self.ranks)} ranks"
            )
        return self

    @model_validator(mode="after")
    def _sees_the_sign(self) -> ContrastiveOptions:
        if self.score == "volume" and not self.volumes:
            raise ValueError(
                "score volume does not tell a vector from its opposite, so pairs trained by it "
                "alone may point away from each other; use objective gram, or score cosine"
            )
        return self

    def needs(self) -> frozenset[Need]:
        """Return what targets and score read beside pooled vectors."""
        found: set[Need] = {"labels"} if self.targets in LABELLED else set()
        if self.score in TOKEN_SCORES:
            found.add("tokens")
        return frozenset(found)

    @classmethod
    def may_need(cls) -> frozenset[Need]:
        """Return what the targets and scores that may be chosen read."""
        fields = cls.model_fields
        scores = get_args(fields["score"].annotation) or TOKEN_SCORES
        found: set[Need] = set()
        if not LABELLED.isdisjoint(get_args(fields["targets"].annotation)):
            found.add("labels")
        if not TOKEN_SCORES.isdisjoint(scores):
            found.add("tokens")
        return frozenset(found)

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
    examples=(
        {},
        {"targets": "same_text", "smoothing": 0.1},
        {"targets": "same_label", "label": "finding"},
        {"targets": "graded", "ranks": ("order", "family", "species")},
        {"targets": "soft", "soft_from": "b"},
        {"temperature_per": "edge", "exclude_same_group": False},
        {"score": "late"},
    ),
)
