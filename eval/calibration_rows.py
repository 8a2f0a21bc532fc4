"""Rows of calibration: every way a model's probabilities are stated, with its errors.

Legend: n rows, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eval.asked import Answers
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
from eval.calibration_maps import platt, probabilities, sigmoid, temperature
from eval.classify import winners
from eval.intervals import Draws, Statistic, Weights
from eval.labels import Truth
from eval.rows import Sheet

if TYPE_CHECKING:
    from eval.calibration import CalibrationOptions

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST = 10  # of each kind on validation, below which nothing is fitted
METRICS = ("brier", "ece", "ece_mass", "calibration_slope", "calibration_intercept")


@dataclass(frozen=True)
class Stated:
    """Probabilities of n rows, stated in one way.

    Attributes:
        name: "as declared", "temperature" or "platt".
        probabilities: (n, C); a column of NaN where a label could not be recalibrated.
        truth: the classes.
        least: fewest positives and negatives of a label that is measured.
        fitted: what was fitted on validation.
        reason: why there are no probabilities.
    """

    name: str
    probabilities: Reals
    truth: Truth
    least: int
    fitted: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None


def stated(test: Answers, val: Answers, options: CalibrationOptions) -> list[Stated]:
    """Return the probabilities as declared, then each recalibration."""
    least = int(getattr(options.asked.options, "min_positives", FEWEST))
    found = [Stated("as declared", probabilities(test.scores, test.truth), test.truth, least)]
    for way in options.recalibrate:
        found.append((_cooled if way == "temperature" else _platted)(test, val, least))
    return found


def add_rows(page: Sheet, given: Stated) -> None:
    """Add every metric: of the predicted class for single labels, else macro, then each label."""
    if given.reason is not None or len(given.probabilities) == 0:
        for metric in METRICS:
            page.add_value(metric, None, reason=given.reason or "no row is left", average=None)
        return
    truth, index = given.truth, page.resampler.index
    if truth.single is not None:
        stated_, correct = _predicted(given.probabilities, truth)
        whole = brier(*_squared(given.probabilities, truth), index)
        luck = brier(*_squared(np.full_like(given.probabilities, 1 / len(truth.classes)), truth),
                     index)  # fmt: skip
        page.add("brier", whole, chance=page.resampler.point(luck))
        _errors(page, {"": (stated_, correct, index)}, average=None)
        return
    parts = _labels(given, index)
    if not parts:
        reason = f"no label has {given.least} positives and negatives, and a probability"
        for metric in METRICS:
            page.add_value(metric, None, reason=reason, average="macro")
        return
    _all_errors(page, parts, average="macro")
    label = page.shared.get("label")
    for name, part in parts.items():
        _all_errors(page, {name: part}, average=None, label=f"{label}={name}", n=len(part[0]))


def table_of(given: Stated) -> list[dict[str, Any]]:
    """Return the reliability table, all labels together."""
    if given.truth.single is not None:
        stated_, true = _predicted(given.probabilities, given.truth)
    else:
        known = np.isfinite(given.truth.table) & np.isfinite(given.probabilities)
        stated_, true = given.probabilities[known], given.truth.table[known]
    return reliability(stated_, true, equal_width(stated_))


Part = tuple[Reals, Reals, Ints]


def _all_errors(page: Sheet, parts: dict[str, Part], **columns: Any) -> None:
    page.add("brier", _mean([brier(p, y, i) for p, y, i in parts.values()]), **columns)
    _errors(page, parts, **columns)


def _errors(page: Sheet, parts: dict[str, Part], **columns: Any) -> None:
    """Add the calibration errors, slope and intercept, averaged over parts."""
    every = list(parts.values())
    size = page.resampler.index.max(initial=-1) + 1
    for metric, bins in (("ece", equal_width), ("ece_mass", equal_mass)):
        errors = [calibration_error(p, y, bins(p), index=i) for p, y, i in every]
        page.add(metric, _mean([_wide(e, int(i.max()) + 1, int(size))
                                for e, (_, _, i) in zip(errors, every, strict=True)]),
                 **columns)  # fmt: skip
    work = sum(len(p) for p, _, _ in every) * page.resampler.replicates
    for metric, rule in (("calibration_slope", slope), ("calibration_intercept", intercept)):
        statistic = _mean([rule(p, y, i) for p, y, i in every])
        if work > MOST_WORK:
            value = page.resampler.point(statistic)
            reason = "no interval: too many rows to fit in every replicate"
            page.add_value(metric, value, reason=reason, **columns)
        else:
            page.add(metric, statistic, **columns)


def _wide(statistic: Statistic, own: int, size: int) -> Statistic:
    """Let a statistic of the first groups take the weights of all."""
    return statistic if own == size else lambda weights: statistic(weights[:, :own])


def _mean(statistics: Sequence[Statistic]) -> Statistic:
    """Return the mean of statistics where they are defined."""

    def statistic(weights: Weights) -> Draws:
        values = np.stack([one(weights)[0] for one in statistics])
        known = np.isfinite(values)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0)
        return mean, known.all(axis=0)

    return statistic


def _predicted(stated_: Reals, truth: Truth) -> tuple[Reals, Reals]:
    """Return (n,) probability of the predicted class and whether it is right, ties shared."""
    share = winners(stated_)[np.arange(len(stated_)), truth.single]
    return stated_.max(axis=1), share


def _squared(stated_: Reals, truth: Truth) -> tuple[Reals, Reals]:
    """Return what the Brier score compares: of two classes the second, of more every class."""
    return (stated_[:, 1], truth.table[:, 1]) if len(truth.classes) == 2 else (stated_, truth.table)


def _labels(given: Stated, index: Ints) -> dict[str, Part]:
    """Return by label the probabilities, truths and groups of its rows, where there are enough."""
    found: dict[str, Part] = {}
    for number, name in enumerate(given.truth.classes):
        truth, own = given.truth.table[:, number], given.probabilities[:, number]
        known = np.isfinite(truth) & np.isfinite(own)
        positives = int(truth[known].sum())
        if min(positives, int(known.sum()) - positives) >= given.least:
            found[name] = (own[known], truth[known], index[known])
    return found


def _cooled(test: Answers, val: Answers, least: int) -> Stated:
    name = "temperature"
    known = np.isfinite(val.truth.table)
    seen = len(val.ids) if val.truth.single is not None else int(val.truth.table[known].sum())
    if seen < FEWEST:
        return _none(name, test, least, f"{seen} labels on validation, {FEWEST} needed")
    t = temperature(val)
    return Stated(name, probabilities(test.scores / t, test.truth), test.truth, least, {"T": t})


def _platted(test: Answers, val: Answers, least: int) -> Stated:
    name, classes = "platt", test.truth.classes
    if test.truth.single is not None:
        if len(classes) != 2:
            return _none(name, test, least, f"defined for two classes, there are {len(classes)}")
        line = _line(val.scores[:, 1] - val.scores[:, 0], val.truth.table[:, 1])
        if line is None:
            return _none(name, test, least, "validation is too small, or the classes separable")
        second = sigmoid(line[0] * (test.scores[:, 1] - test.scores[:, 0]) + line[1])
        both = np.stack([1 - second, second], axis=1)
        return Stated(name, both, test.truth, least, {classes[1]: list(line)})
    table, fitted = np.full_like(test.scores, np.nan), {}
    for number, label in enumerate(classes):
        known = np.isfinite(val.truth.table[:, number]) & np.isfinite(val.scores[:, number])
        line = _line(val.scores[known, number], val.truth.table[known, number])
        if line is not None:
            table[:, number] = sigmoid(line[0] * test.scores[:, number] + line[1])
            fitted[label] = list(line)
    return Stated(name, table, test.truth, least, fitted)


def _line(scores: Reals, truth: Reals) -> tuple[float, float] | None:
    positives = int(truth.sum())
    enough = min(positives, len(truth) - positives) >= FEWEST
    return platt(scores, truth) if enough else None


def _none(name: str, test: Answers, least: int, reason: str) -> Stated:
    return Stated(name, np.full_like(test.scores, np.nan), test.truth, least, reason=reason)
