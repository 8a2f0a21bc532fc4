"""The `zero_shot` task: names the class of a query by the prompts it lies nearest to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from eval.labels import Labels, Truth, Uncertain, fault, truth_of
from eval.lineage import LineageClasses, lineage_prompts, lineages
from eval.prompts import Aggregate, PromptSet, load_prompts
from eval.selection import Selection, column, select
from eval.sides import trained_score
from eval.space import Rows, Space
from eval.task import Context, Result, Task
from workbench.modality import Options

if TYPE_CHECKING:
    from eval.side_anchors import SideAnchors


class ZeroShotOptions(Options):
    """Which modality is asked, for which label, in which words."""

    query: str
    label: str
    prompts: str | dict[str, Any] | None = None
    classes: LineageClasses | None = None
    anchor: str = "report"
    split: str = "test"
    labels: Labels = "single"
    uncertain: Uncertain = "exclude"
    aggregate: Aggregate | None = None
    score: str | None = None
    min_positives: int = Field(default=10, ge=1)
    k: tuple[int, ...] = (1, 5)

    @model_validator(mode="after")
    def _one_source(self) -> ZeroShotOptions:
        if (self.prompts is None) == (self.classes is None):
            raise ValueError("give either prompts (a file or a mapping) or classes (a template)")
        if self.classes is not None and self.labels == "multi":
            raise ValueError("classes made from columns have a single label per row")
        if self.classes is not None and self.classes.label not in (None, self.label):
            raise ValueError(f"classes.label must be the task's label, {self.label!r}")
        return self


@dataclass(frozen=True)
class _Case:
    """One prepared question: the prompts, the rows that can be asked, and a score of sides."""

    prompts: PromptSet
    aggregate: Aggregate
    chosen: Selection
    truth: Truth
    anchors: SideAnchors | None

    def flags(self, aggregate: Aggregate | None) -> tuple[str, ...]:
        """Say where prompts are joined in another way than was asked for."""
        asked = aggregate or self.prompts.aggregate
        return (
            () if asked == self.aggregate else (f"aggregate {self.aggregate}: no mean of tokens",)
        )


class ZeroShot(Task[ZeroShotOptions]):
    """Zero-shot classification by prompts; single label or label sets."""

    options = ZeroShotOptions

    def texts(
        self, options: ZeroShotOptions, rows: Rows, context: Context
    ) -> Mapping[str, Sequence[str]]:
        """Return every prompt of every class, once."""
        prompts = _prompts(options, rows, context)
        every = [*prompts.positive_prompts().values(), *prompts.negative_prompts().values()]
        every += [
            text
            for number in range(len(prompts.templates))
            for text in prompts.of_template(number).values()
        ]
        return {options.anchor: list(dict.fromkeys(text for group in every for text in group))}

    def run(self, space: Space, options: ZeroShotOptions, context: Context) -> Result:
        """Score every labelled query of the split against every class."""
        from eval.classify import multi_label, single_label
        from eval.rows import config_digest, resampler, sheet

        case = _prepare(space, options, context)
        scores = _scores(space, options, case, prompts=case.prompts.positive_prompts())
        page = sheet(
            resampler(case.chosen.groups, context), task="zero_shot", query=options.query,
            gallery=options.anchor, label=options.label, split=options.split, model=space.model,
            score=space.score, prompts=case.prompts.label, n_excluded=case.chosen.excluded,
            config_digest=config_digest(options, context), gallery_size=len(case.truth.classes),
            flags=case.flags(options.aggregate),
        )  # fmt: skip
        if options.labels == "single":
            single_label(page, scores, case.truth, ks=options.k)
        else:
            multi_label(page, scores, case.truth, least=options.min_positives)
        best = scores.argmax(axis=1) if len(scores) else []
        table = case.chosen.table({
            "label": case.truth.words(),
            "scores": [[float(value) for value in row] for row in scores],
            "prediction": [case.truth.classes[i] for i in best],
        })  # fmt: skip
        return Result(page.rows, table, _extras(space, options, context, case=case, scores=scores))


def _prompts(options: ZeroShotOptions, rows: Rows, context: Context) -> PromptSet:
    """Return the prompt set of the options."""
    if options.classes is not None:
        return lineage_prompts(options.classes, options.label, rows)
    return load_prompts(options.prompts or {}, context.base)


def _prepare(space: Space, options: ZeroShotOptions, context: Context) -> _Case:
    """Choose prompts, rows and truth."""
    prompts = _prompts(options, space.rows, context)
    classes = [entry.id for entry in prompts.classes]
    if options.classes is not None:
        cells: Sequence[str | None] = lineages(options.classes, options.label, space.rows)
    else:
        cells = column(space.rows, options.label)
    why_not = fault(cells, classes, options.labels)
    chosen = select(space, options.query, options.split, why_not=why_not)
    truth = truth_of(
        [cells[row] for row in chosen.rows], classes, options.labels, uncertain=options.uncertain
    )
    aggregate, scorer = options.aggregate or prompts.aggregate, trained_score(space, options.score)
    if scorer is None:
        return _Case(prompts, aggregate, chosen, truth, None)
    from eval.side_anchors import side_anchors, token_aggregate

    if scorer.score.tokens:
        aggregate = token_aggregate(options.aggregate, prompts.aggregate)
    anchors = side_anchors(space, scorer, options.query, chosen.ids, anchor=options.anchor)
    return _Case(prompts, aggregate, chosen, truth, anchors)


def _scores(
    space: Space, options: ZeroShotOptions, case: _Case, *, prompts: Mapping[str, Sequence[str]]
) -> Any:
    """Return (n, C) class scores; a margin over the negated prompts where the set has them."""
    from eval.anchors import class_scores

    if case.anchors is not None:
        rule = partial(case.anchors.scores, aggregate=case.aggregate, tau=case.prompts.tau)
    else:
        rule = partial(
            class_scores, space.vectors[options.query].values[case.chosen.items],
            texts=space.texts.get(options.anchor, {}), aggregate=case.aggregate,
            tau=case.prompts.tau, name=space.score,
        )  # fmt: skip
    scores = rule(prompts)
    negative = case.prompts.negative_prompts()
    if options.labels == "multi" and all(negative.values()):
        scores = scores - rule(negative)
    return scores


def _extras(
    space: Space, options: ZeroShotOptions, context: Context, *, case: _Case, scores: Any
) -> dict[str, Any]:
    """Return prompts verbatim, confusion, worst errors and the range that wording gives."""
    from eval.areas import macro_area, usable_labels
    from eval.classify import confusion, top_k, worst_errors
    from eval.rows import resampler
    from eval.sensitivity import by_template, sensitivity
    from eval.weighted import macro_mean

    replicates = resampler(case.chosen.groups, context)

    def main(prompts: Mapping[str, Sequence[str]]) -> float | None:
        if len(case.chosen) == 0:
            return None
        table = _scores(space, options, case, prompts=prompts)
        if case.truth.single is not None:
            hits = top_k(table, case.truth.single, 1)
            return replicates.point(macro_mean(hits, case.truth.single, replicates.index))
        used = usable_labels(case.truth.table, options.min_positives)
        part = case.truth.table[:, used]
        return replicates.point(macro_area("auroc", table[:, used], part, index=replicates.index))

    return {
        "classes": list(case.truth.classes),
        "confusion": confusion(scores, case.truth),
        "errors": worst_errors(scores, case.truth, case.chosen.ids),
        "prompts": {k: list(v) for k, v in case.prompts.positive_prompts().items()},
        "prompt_set": {**case.prompts.model_dump(mode="json"), "sha256": case.prompts.digest},
        "sensitivity": sensitivity(case.prompts, main, context.seed),
        "templates": by_template(case.prompts, main),
    }
