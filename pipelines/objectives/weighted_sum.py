"""Entry of the weighted sum of other objectives."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from pipelines.objectives.entry import Need, ObjectiveEntry, ObjectiveOptions
from workbench import registry
from workbench.modality import Options


class SumPart(Options):
    """One objective of the sum: `{name: gram, weight: 0.5, ...its own options}`."""

    name: str = Field(description="registry name of an objective other than sum")
    weight: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0
    options: dict[str, Any] = Field(default_factory=dict, description="what its entry allows")

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, given: Any) -> Any:
        """Gather the part's own options, which stand beside its name in the file."""
        if not isinstance(given, dict) or "options" in given:
            return given
        known = {k: v for k, v in given.items() if k in ("name", "weight")}
        return {**known, "options": {k: v for k, v in given.items() if k not in known}}

    @model_validator(mode="after")
    def _allowed(self) -> SumPart:
        if self.name == "sum":
            raise ValueError("a part of a sum cannot be a sum: list its parts beside the others")
        try:
            self.chosen()
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise ValueError(f"options of {self.name}: {'; '.join(wrong)}") from None
        return self

    def entry(self) -> ObjectiveEntry:
        """Return the registered objective; raises Refusal when the name is unknown."""
        found: ObjectiveEntry = registry.load("objectives", self.name)
        return found

    def chosen(self) -> ObjectiveOptions:
        """Return its options, checked, with what was left out filled in."""
        return self.entry().options(**self.options)


class SumOptions(ObjectiveOptions):
    """Options of `objective: {name: sum}`.

    Evaluation uses the score of the first part unless `score` names that of another.
    """

    parts: Annotated[tuple[SumPart, ...], Field(min_length=2)]
    score: str = Field("", description="score of evaluation; that of the first part by default")
    score_options: dict[str, Any] = Field(
        default_factory=dict, description="options of that score; filled in from its part"
    )

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        """Write what was left out, so that the stored file says all that was used."""
        if not isinstance(given, dict) or not isinstance(given.get("parts"), list | tuple):
            return given
        parts = [SumPart.model_validate(part) for part in given["parts"]]
        full = [SumPart(name=p.name, weight=p.weight, options=_stored(p)) for p in parts]
        scores = {score_of(p): p.options.get("score_options", {}) for p in reversed(full)}
        score = given.get("score") or (score_of(full[0]) if full else "")
        return {
            **given,
            "parts": full,
            "score": score,
            "score_options": given.get("score_options") or scores.get(score, {}),
        }

    @model_validator(mode="after")
    def _known_score(self) -> SumOptions:
        known = {score_of(part): part.options.get("score_options", {}) for part in self.parts}
        if self.score not in known:
            raise ValueError(f"score {self.score!r} is that of no part; choose from {list(known)}")
        return self

    def needs(self) -> frozenset[Need]:
        """Return what any part reads beside pooled vectors."""
        found: frozenset[Need] = frozenset()
        for part in self.parts:
            found |= part.entry().needed(part.chosen())
        return found


def score_of(part: SumPart) -> str:
    """Return the registry name of the score that a part is evaluated with."""
    return str(part.options.get("score", "cosine"))


def _stored(part: SumPart) -> dict[str, Any]:
    return part.chosen().model_dump(mode="json")


SUM = ObjectiveEntry(
    name="sum",
    builder="pipelines.objectives.weighted_sum_loss:WeightedSum",
    options=SumOptions,
    summary="weighted mean of other objectives, each with its own options",
    papers=("GRAM with contrastive pairs",),
    cost="the sum of its parts",
    examples=(
        {"parts": [{"name": "contrastive"}, {"name": "gram", "anchored": 0.0, "weight": 0.5}]},
        {"parts": [
            {"name": "hcl", "targets": "same_label", "label": "finding"},
            {"name": "mv_infonce", "weight": 2.0},
        ]},
    ),
)  # fmt: skip
