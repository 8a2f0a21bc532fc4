"""Rows of calibration: the errors of probabilities, however they were stated.

Legend: n rows, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.calibration_errors import (
    MOST_WORK,
    brier,
    calibration_error,
    equal_mass,
    equal_width,
    intercept,
    reliability,
    slope,
)
from eval.calibration_maps import Stated, probabilities
from eval.classify import winners
from eval.intervals import Draws, Statistic, Weights
from eval.labels import Truth
from eval.rows import Sheet

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Part = tuple[Reals, Reals]
"""(n,) probabilities of something and whether it happened; NaN where it is not known."""

METRICS = ("brier", "ece", "ece_mass", "calibration_slope", "calibration_intercept")


def add_rows(page: Sheet, given: Stated, *, least: int) -> None:
    """Add every metric: over rows for single labels, else macro over labels, then each label.

    Args:
        page: where to.
        given: the probabilities.
        least: fewest positives and negatives of a label that is measured.
    """
    if given.reason is not None or len(given.probabilities) == 0:
        return _add_nothing(page, given.reason or "no row is left")
    if given.truth.single is not None:
        return _add_single(page, given.probabilities, given.truth)
    parts = _labels(given.probabilities, given.truth, least)
    if not parts:
        reason = f"no label has {least} positives and negatives, and a probability"
        return _add_nothing(page, reason, average="macro")
    _add_errors(page, list(parts.values()), average="macro")
    label = page.shared.get("label")
    for name, part in parts.items():
        known = int(np.isfinite(part[1]).sum())
        _add_errors(page, [part], label=f"{label}={name}", n=known)
    return None


def table_of(given: Stated) -> list[dict[str, Any]]:
    """Return the reliability table, all labels together."""
    if given.truth.single is not None:
        stated, true = _outcome(given.probabilities, given.truth)
    else:
        known = np.isfinite(given.truth.table) & np.isfinite(given.probabilities)
        stated, true = given.probabilities[known], given.truth.table[known]
    return reliability(stated, true, equal_width(stated))


def _add_nothing(page: Sheet, reason: str, **columns: Any) -> None:
    for metric in METRICS:
        page.add_value(metric, None, reason=reason, **columns)


def _add_single(page: Sheet, stated: Reals, truth: Truth) -> None:
    """Add the rows of single labels: of two classes the second one's probability is examined."""
    index = page.resampler.index
    blind = probabilities(np.zeros_like(stated), truth)
    what = f"probability of {truth.classes[1]}" if stated.shape[1] == 2 else "predicted class"
    if stated.shape[1] == 2:
        return _add_errors(page, [_outcome(stated, truth)], flags=(what,))
    luck = page.resampler.point(brier(blind, truth.table, index))
    page.add("brier", brier(stated, truth.table, index), chance=luck)
    return _add_errors(page, [_outcome(stated, truth)], flags=(what,), metrics=METRICS[1:])


def _add_errors(
    page: Sheet, parts: Sequence[Part], *, metrics: Sequence[str] = METRICS, **columns: Any
) -> None:
    """Add metrics averaged over parts; chance is the same at even odds, before any recalibration."""
    index = page.resampler.index
    work = sum(len(p) for p, _ in parts) * page.resampler.replicates
    for metric in metrics:
        rule = _RULES[metric]
        statistic = _mean([rule(p, y, index) for p, y in parts])
        even = _mean([rule(np.where(np.isfinite(p), 0.5, p), y, index) for p, y in parts])
        chance = page.resampler.point(even) if metric == "brier" else None
        if metric.startswith("calibration") and work > MOST_WORK:
            reason = "no interval: too many rows to fit in every replicate"
            page.add_value(metric, page.resampler.point(statistic), reason=reason, **columns)
        else:
            page.add(metric, statistic, chance=chance, **columns)


def _ece(stated: Reals, truth: Reals, index: Ints) -> Statistic:
    return calibration_error(stated, truth, equal_width(stated), index=index)


def _ece_mass(stated: Reals, truth: Reals, index: Ints) -> Statistic:
    return calibration_error(stated, truth, equal_mass(stated), index=index)


_RULES: Mapping[str, Callable[[Reals, Reals, Ints], Statistic]] = {
    "brier": brier, "ece": _ece, "ece_mass": _ece_mass,
    "calibration_slope": slope, "calibration_intercept": intercept,
}  # fmt: skip


def _mean(statistics: Sequence[Statistic]) -> Statistic:
    """Return the mean of statistics where they are defined."""

    def statistic(weights: Weights) -> Draws:
        values = np.stack([one(weights)[0] for one in statistics])
        known = np.isfinite(values)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0)
        return mean, np.asarray(known.all(axis=0))

    return statistic


def _outcome(stated: Reals, truth: Truth) -> Part:
    """Return the probability of the second of two classes, else of the predicted class.

    A tie for the best is right in parts.
    """
    if stated.shape[1] == 2:
        return stated[:, 1], truth.table[:, 1]
    share = np.where(truth.table > 0, winners(stated), 0.0).sum(axis=1)
    return stated.max(axis=1), share


def _labels(stated: Reals, truth: Truth, least: int) -> dict[str, Part]:
    """Return by label its probabilities and truths, where there are enough; others are NaN."""
    found: dict[str, Part] = {}
    for number, name in enumerate(truth.classes):
        own, true = stated[:, number], truth.table[:, number]
        known = np.isfinite(true) & np.isfinite(own)
        positives = int(true[known].sum())
        if min(positives, int(known.sum()) - positives) >= least:
            found[name] = np.where(known, own, np.nan), np.where(known, true, np.nan)
    return found
