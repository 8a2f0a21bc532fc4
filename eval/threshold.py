"""The `threshold` task: what a score says once it is cut in two where validation says to cut."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from eval.asked import AskingOptions, answers, nothing, refuse_fitting_on
from eval.space import Rows, Space
from eval.task import Context, Metric, Result, Task
from workbench.errors import Refusal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from eval.answers import Answers
    from eval.rows import Sheet

    Reals = NDArray[np.float64]

FEWEST = 10  # positives, and negatives, that validation must have
MANY = 100  # positives below which a number is flagged


class ThresholdOptions(AskingOptions):
    """Whose scores are cut, by which rule, and for which prevalences the result is restated."""

    may_ask: ClassVar[tuple[str, ...]] = ("zero_shot", "probe")

    rule: Literal["youden", "sensitivity", "f1"] = "youden"
    val_split: str = "val"
    positive: str | None = None
    prevalences: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.01, 0.05, 0.1, 0.3)


class Threshold(Task[ThresholdOptions]):
    """Sensitivity, specificity, F1, PPV and NPV of every label at its validation threshold."""

    options = ThresholdOptions

    def texts(
        self, options: ThresholdOptions, rows: Rows, context: Context
    ) -> Mapping[str, Sequence[str]]:
        """Return the prompts of the task whose scores are cut."""
        return options.texts(rows, context)

    def run(self, space: Space, options: ThresholdOptions, context: Context) -> Result:
        """Choose a threshold per label on validation and measure it on the split.

        Raises:
            Refusal: the threshold would come from the measured split, or there are single labels of
                more than two classes.
        """
        refuse_fitting_on(options.split, options.val_split, "threshold.val_split")
        test = answers(space, options.asked, context, options.split)
        val = answers(space, options.asked, context, options.val_split)
        if not test:
            return Result([nothing(space, options, task="threshold", metric="sensitivity")])
        rows: list[Metric] = []
        kept: list[dict[str, Any]] = []
        columns: dict[str, Any] = {}
        for kind, one in test.items():
            page = _page(space, options, context, one=one)
            known = {name: case for name, *case in _cases(val.get(kind), options)}
            for name, scores, truth in _cases(one, options):
                at = _threshold(known.get(name), options)
                _add(page, f"{options.label}={name}", (scores, truth), at=at, options=options)
                kept.append(_note(name, at, options, val=val.get(kind)))
                called = [None] * len(scores) if at is None else (scores >= at).tolist()
                columns[f"called {kind} {name}".replace("  ", " ")] = called
            rows += page.rows
        first = next(iter(test.values()))
        front = {"id": list(first.ids), "group": list(first.groups), "label": first.truth.words()}
        return Result(rows, {**front, **columns}, {"thresholds": kept})


def _page(space: Space, options: ThresholdOptions, context: Context, *, one: Answers) -> Sheet:
    """Return the empty sheet of one kind of score."""
    from eval.rows import config_digest, resampler, sheet

    return sheet(
        resampler(one.groups, context), task="threshold", query=options.query,
        gallery=options.anchor, split=options.split, model=space.model, score=space.score,
        pool=one.kind or None, n_excluded=one.excluded,
        config_digest=config_digest(options, context),
    )  # fmt: skip


def _note(
    name: str, at: float | None, options: ThresholdOptions, *, val: Answers | None
) -> dict[str, Any]:
    """Return a threshold with all that says where it came from; the digest is of its rows."""
    ids = () if val is None else val.ids
    return {
        "label": f"{options.label}={name}", "query": options.query, "value": at,
        "kind": "" if val is None else val.kind, "rule": options.rule, "split": options.val_split,
        "n": len(ids), "digest": hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16],
    }  # fmt: skip


def _cases(given: Answers | None, options: ThresholdOptions) -> list[tuple[str, Reals, Reals]]:
    """Return name, (n,) scores and (n,) truth of every label; of two classes, one is positive."""
    if given is None:
        return []
    truth = given.truth
    if truth.single is None:
        return [
            (name, given.scores[:, i], truth.table[:, i]) for i, name in enumerate(truth.classes)
        ]
    positive = options.positive
    if len(truth.classes) != 2 or positive not in truth.classes:
        raise Refusal(
            "E-CFG-026", file="pipeline", field="evaluate: threshold.positive",
            found=f"{positive!r} of classes {list(truth.classes)}",
            expected="one of two classes, or labels: multi for more than two",
        )  # fmt: skip
    number = truth.classes.index(positive)
    margin = given.scores[:, number] - given.scores[:, 1 - number]
    return [(positive, margin, truth.table[:, number])]


def _threshold(val: Sequence[Reals] | None, options: ThresholdOptions) -> float | None:
    """Return the threshold, or None where validation holds too few of a kind."""
    import numpy as np

    from eval.threshold_rules import cut

    if val is None:
        return None
    scores, truth = val
    known = np.isfinite(truth) & np.isfinite(scores)
    positives = int(truth[known].sum())
    if min(positives, int(known.sum()) - positives) < FEWEST:
        return None
    return cut(scores[known], truth[known], options.rule)


def _add(
    page: Sheet, label: str, test: tuple[Reals, Reals], *, at: float | None,
    options: ThresholdOptions,
) -> None:  # fmt: skip
    """Add the rows of one label; chance is the same formula where every row is called positive."""
    import numpy as np

    from eval.threshold_rules import formulas, of_counts

    scores, truth = test
    known, positives = int(np.isfinite(truth).sum()), int(np.nansum(truth))
    for metric, formula in formulas(options.prevalences).items():
        if at is None:
            reason = f"validation holds fewer than {FEWEST} positives or negatives"
            page.add_value(metric, None, reason=reason, label=label, n=known)
            continue
        statistic, every = (
            of_counts(formula, called.astype(float), truth, index=page.resampler.index)
            for called in (scores >= at, np.ones(len(scores)))
        )
        flags: tuple[str, ...] = (f"threshold {at:.6g} ({options.rule} on {options.val_split})",)
        flags += ("few-positives",) if positives < MANY else ()
        luck = page.resampler.point(every)
        page.add(metric, statistic, chance=luck, label=label, n=known, flags=flags)
