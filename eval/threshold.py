"""The `threshold` task: what a score says once it is cut in two where validation says to cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from eval.asked import Answers, AskingOptions, answers, refuse_fitting_on
from eval.space import Rows, Space
from eval.task import Context, Metric, Result, Task
from workbench.errors import Refusal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]

FEWEST = 10  # positives, and negatives, that validation must have


class ThresholdOptions(AskingOptions):
    """Whose scores are cut, by which rule, and for which prevalences the result is restated."""

    may_ask: ClassVar[tuple[str, ...]] = ("zero_shot", "probe")

    rule: Literal["youden", "sensitivity", "f1"] = "youden"
    val_split: str = "val"
    positive: str | None = None
    prevalences: tuple[float, ...] = Field(default=(0.01, 0.05, 0.1, 0.3))


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
        from eval.rows import config_digest, resampler, sheet

        refuse_fitting_on(options.split, options.val_split, "threshold.val_split")
        test = answers(space, options.asked, context, options.split)
        val = answers(space, options.asked, context, options.val_split)
        rows: list[Metric] = []
        kept: list[dict[str, Any]] = []
        columns: dict[str, Any] = {}
        for one, fit in zip(test, val, strict=False):
            page = sheet(
                resampler(one.groups, context), task="threshold", query=options.query,
                gallery=options.anchor, split=options.split, model=space.model, score=space.score,
                pool=one.kind or None, rank=None, n_excluded=one.excluded,
                config_digest=config_digest(options, context),
            )  # fmt: skip
            cases = zip(_cases(one, options), _cases(fit, options), strict=True)
            for (name, scores, truth), (_, val_scores, val_truth) in cases:
                at = _threshold(val_scores, val_truth, options)
                _add(page, f"{options.label}={name}", (scores, truth), at=at, options=options)
                kept.append({"label": name, "kind": one.kind, "value": at, "rule": options.rule,
                             "split": options.val_split, "n": len(fit.ids)})  # fmt: skip
                columns[f"called {one.kind} {name}".replace("  ", " ")] = (
                    [None] * len(scores) if at is None else (scores >= at).tolist()
                )
            rows += page.rows
        if not test:
            rows.append(_nothing(space, options))
            return Result(rows)
        front = {"id": list(test[0].ids), "group": list(test[0].groups)}
        table = {**front, "label": test[0].truth.words(), **columns}
        return Result(rows, table, {"thresholds": kept})


def _nothing(space: Space, options: ThresholdOptions) -> Metric:
    return Metric(
        task="threshold", query=str(options.query), metric="sensitivity", split=options.split,
        model=space.model, value=None, label=options.label, reason="no row was scored",
    )  # fmt: skip


def _cases(given: Answers, options: ThresholdOptions) -> list[tuple[str, Reals, Reals]]:
    """Return name, (n,) scores and (n,) truth of every label; of two classes, one is positive."""
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


def _threshold(scores: Reals, truth: Reals, options: ThresholdOptions) -> float | None:
    """Return the threshold, or None where validation holds too few of a kind."""
    import numpy as np

    from eval.threshold_rules import cut

    known = np.isfinite(truth) & np.isfinite(scores)
    positives = int(truth[known].sum())
    if min(positives, int(known.sum()) - positives) < FEWEST:
        return None
    return cut(scores[known], truth[known], options.rule)


def _add(
    page: Any, label: str, test: tuple[Reals, Reals], *, at: float | None,
    options: ThresholdOptions,
) -> None:  # fmt: skip
    """Add the rows of one label."""
    import numpy as np

    from eval import threshold_rules as rules

    named = {"sensitivity": rules.sensitivity, "specificity": rules.specificity, "f1": rules.f1,
             "ppv": rules.ppv, "npv": rules.npv}  # fmt: skip
    for share in options.prevalences:
        named |= {
            f"ppv_at_{share:g}": rules.ppv_at(share),
            f"npv_at_{share:g}": rules.npv_at(share),
        }
    scores, truth = test
    known = int(np.isfinite(truth).sum())
    index = page.resampler.index
    for metric, formula in named.items():
        if at is None:
            reason = f"validation holds fewer than {FEWEST} positives or negatives"
            page.add_value(metric, None, reason=reason, label=label, n=known)
            continue
        called = (scores >= at).astype(float)
        statistic = rules.of_counts(formula, called, truth, index=index)
        flags = (f"threshold {at:.6g} ({options.rule} on {options.val_split})",)
        page.add(metric, statistic, label=label, n=known, flags=flags)
