"""The `zero_shot` task: names the class of a query by the anchors it lies nearest to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from eval.class_anchors import AnchorOptions, Bound, class_anchors, prompt_texts
from eval.labels import Labels, Truth, Uncertain, fault, parts, truth_of
from eval.selection import Selection, select
from eval.space import Rows, Space
from eval.task import Context, Result, Task
from workbench.errors import Refusal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

MOST_EXAMPLE_SCORES = 1 << 24  # queries x examples up to which halves of the examples are drawn


class ZeroShotOptions(AnchorOptions):
    """How the classes are asked for, beside what stands for them.

    Attributes:
        split: rows that are asked.
        labels: one class per row, or several.
        uncertain: how a label that ends in "?" is read.
        temperature: divides scores that are printed as probabilities; none are without it.
        min_positives: fewest positives, and negatives, of a label that has areas.
        k: for accuracy among the k best.
    """

    split: str = "test"
    labels: Labels = "single"
    uncertain: Uncertain = "exclude"
    temperature: float | None = Field(default=None, gt=0)
    min_positives: int = Field(default=10, ge=1)
    k: tuple[int, ...] = (1, 5)

    @model_validator(mode="after")
    def _fitting(self) -> ZeroShotOptions:
        if self.classes is not None and self.labels == "multi":
            raise ValueError("classes made from columns have a single label per row")
        if self.anchors is not None and self.anchors.split == self.split:
            raise ValueError(
                f"anchors.from is {self.split!r}, the split that is asked: a query would be its "
                "own example"
            )
        return self


@dataclass(frozen=True)
class _Case:
    """One prepared question: anchors, the rows that can be asked, and their truth."""

    bound: Bound
    chosen: Selection
    truth: Truth
    doubted: bool

    def scores(self, options: ZeroShotOptions, given: Any = None) -> Reals:
        """Return (n, C) class scores; a margin over the negated prompts where the set has them."""
        scores = self.bound.scores(given)
        pairs = self.bound.negated if options.labels == "multi" else None
        return scores if pairs is None else scores - pairs


class ZeroShot(Task[ZeroShotOptions]):
    """Zero-shot classification by prompts or examples; single label or label sets."""

    options = ZeroShotOptions

    def texts(
        self, options: ZeroShotOptions, rows: Rows, context: Context
    ) -> Mapping[str, Sequence[str]]:
        """Return every prompt of every class, once."""
        return prompt_texts(options, rows, context)

    def run(self, space: Space, options: ZeroShotOptions, context: Context) -> Result:
        """Score every labelled query of the split against every class."""
        from eval.classify import multi_label, single_label
        from eval.polarity import add_polarity
        from eval.rows import config_digest, resampler, sheet

        case = _prepare(space, options, context)
        _refuse_half_pairs(case, options)
        scores = case.scores(options)
        page = sheet(
            resampler(case.chosen.groups, context), task="zero_shot", query=options.query,
            gallery=options.anchor, label=options.label, split=options.split, model=space.model,
            score=space.score, prompts=case.bound.anchors.label, n_excluded=case.chosen.excluded,
            config_digest=config_digest(options, context), gallery_size=len(case.truth.classes),
            flags=_flags(case, options),
        )  # fmt: skip
        if options.labels == "single":
            single_label(page, scores, case.truth, ks=options.k)
        else:
            multi_label(page, scores, case.truth, least=options.min_positives)
            if case.bound.negated is not None:
                add_polarity(page, scores, case.truth.table, classes=case.truth.classes)
        best = scores.argmax(axis=1) if scores.size else []
        columns: dict[str, Sequence[Any]] = {
            "label": case.truth.words(),
            "scores": [[float(value) for value in row] for row in scores],
            "prediction": [case.truth.classes[i] for i in best],
        }
        if options.temperature is not None:
            columns["probability"] = _probabilities(scores, options).tolist()
        return Result(page.rows, case.chosen.table(columns), _extras(case, options, context))


def _prepare(space: Space, options: ZeroShotOptions, context: Context) -> _Case:
    """Choose anchors, rows and truth."""
    anchors = class_anchors(space, options, context, labels=options.labels)
    cells = anchors.cells()
    why_not = fault(cells, anchors.classes, options.labels)
    chosen = select(space, options.query, options.split, why_not=why_not)
    mine = [cells[row] for row in chosen.rows]
    truth = truth_of(mine, anchors.classes, options.labels, uncertain=options.uncertain)
    doubted = any(part.endswith("?") for cell in mine for part in parts(cell))
    return _Case(anchors.of(chosen), chosen, truth, doubted and options.labels == "multi")


def _refuse_half_pairs(case: _Case, options: ZeroShotOptions) -> None:
    """Refuse to call a bare cosine of several labels a probability.

    Raises:
        Refusal: there is a temperature, but not every class has a negated prompt.
    """
    if options.temperature and options.labels == "multi" and case.bound.negated is None:
        raise Refusal(
            "E-CFG-025", file="pipeline", field="evaluate: zero_shot.temperature",
            found="prompts without negation", expected="negative prompts for every class, whose "
            "pair makes a probability",
        )  # fmt: skip


def _flags(case: _Case, options: ZeroShotOptions) -> tuple[str, ...]:
    """Say how classes were scored and how doubt was read."""
    found = case.bound.flags
    if case.doubted:
        found += (f"uncertain labels: {options.uncertain}",)
    if options.labels == "multi" and case.bound.negated is not None:
        found += ("margin over negated prompts",)
    return found


def _probabilities(scores: Reals, options: ZeroShotOptions) -> Reals:
    """Return softmax over classes, or over the pair of a statement and its negation.

    The softmax of a pair, first entry, is the logistic function of their margin.
    """
    import numpy as np

    logits = scores / (options.temperature or 1.0)
    if options.labels == "multi":
        return np.asarray(0.5 * (1 + np.tanh(logits / 2)))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _extras(case: _Case, options: ZeroShotOptions, context: Context) -> dict[str, Any]:
    """Return anchors verbatim, confusion, worst errors and the range that wording gives."""
    from eval.classify import confusion, worst_errors

    scores, anchors = case.scores(options), case.bound.anchors
    found: dict[str, Any] = {
        "classes": list(case.truth.classes),
        "confusion": confusion(scores, case.truth),
        "errors": worst_errors(scores, case.truth, case.chosen.ids),
    }
    if anchors.prompts is not None:
        prompts = anchors.prompts
        found["prompts"] = {k: list(v) for k, v in prompts.positive_prompts().items()}
        found["prompt_set"] = {**prompts.model_dump(mode="json"), "sha256": prompts.digest}
    return {**found, **_wording(case, options, context)}


def _wording(case: _Case, options: ZeroShotOptions, context: Context) -> dict[str, Any]:
    """Return how far other wordings, or other examples, move the main metric."""
    from eval import sensitivity as wording

    def main(given: Any) -> float | None:
        return _main(case, case.scores(options, given), options, context=context)

    anchors = case.bound.anchors
    if anchors.prompts is not None:
        return {
            "sensitivity": wording.sensitivity(anchors.prompts, main, context.seed),
            "templates": wording.by_template(anchors.prompts, main),
            "without_template": wording.without_template(anchors.prompts, main),
        }
    examples = anchors.examples
    if examples is None or len(case.chosen) * len(examples.ids) > MOST_EXAMPLE_SCORES:
        return {"sensitivity": {}}
    drawn = [examples.half(context.seed, number) for number in range(wording.DRAWS)]
    values = [
        _main(case, case.bound.by_examples(part), options, context=context)
        for part in drawn if len(case.chosen)
    ]  # fmt: skip
    spread = wording.spread(values)
    name = f"{wording.DRAWS} draws of half the examples"
    return {"sensitivity": {name: spread} if spread else {}}


def _main(
    case: _Case, scores: Reals, options: ZeroShotOptions, *, context: Context
) -> float | None:
    """Return macro accuracy, or macro AUROC for label sets."""
    from eval.areas import macro_area, usable_labels
    from eval.classify import top_k
    from eval.rows import resampler
    from eval.weighted import macro_mean

    if len(case.chosen) == 0:
        return None
    replicates = resampler(case.chosen.groups, context)
    if case.truth.single is not None:
        hits = top_k(scores, case.truth.single, 1)
        return replicates.point(macro_mean(hits, case.truth.single, replicates.index))
    used = usable_labels(case.truth.table, options.min_positives)
    part = case.truth.table[:, used]
    return replicates.point(macro_area("auroc", scores[:, used], part, index=replicates.index))
