"""Statistics of samples that belong to groups, as functions of group weights.

Weighting a group by w equals repeating its rows w times. Legend: n samples, G groups, R replicates,
C classes, L labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.intervals import Draws, Statistic, Weights

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


def mean(values: Reals, index: Ints) -> Statistic:
    """Return the mean of (n,) values; NaN values are left out."""
    known = np.isfinite(values)
    size = int(index.max(initial=-1)) + 1
    sums = np.bincount(index[known], values[known], size)
    counts = np.bincount(index[known], minlength=size).astype(np.float64)

    def statistic(weights: Weights) -> Draws:
        return _ratio(weights @ sums, weights @ counts), np.ones(len(weights), dtype=bool)

    return statistic


def macro_mean(values: Reals, classes: Ints, index: Ints) -> Statistic:
    """Return the mean over occurring classes of the mean of (n,) values in each class.

    On 0/1 outcomes this is scikit-learn's balanced accuracy. NaN values are left out.
    """
    known = np.isfinite(values)
    present, column = np.unique(classes[known], return_inverse=True)
    shape = (int(index.max(initial=-1)) + 1, len(present))
    cell = index[known] * shape[1] + column
    sums = np.bincount(cell, values[known], shape[0] * shape[1]).reshape(shape)
    counts = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)

    def statistic(weights: Weights) -> Draws:
        return _class_mean(_ratio(weights @ sums, weights @ counts))

    return statistic


def macro_f1(shares: Reals, truth: Ints, index: Ints) -> Statistic:
    """Return macro F1 of (n, C) predicted shares (a tie shares one prediction) and (n,) truths.

    A class that neither occurs nor is predicted has no F1 and is left out.
    """
    classes = shares.shape[1]
    size = int(index.max(initial=-1)) + 1
    actual = np.eye(classes)[truth]
    hits, predicted, occurs = (
        _group_sums(part, index, size) for part in (shares * actual, shares, actual)
    )
    ever = (predicted.sum(0) + occurs.sum(0)) > 0

    def statistic(weights: Weights) -> Draws:
        doubled = weights @ (predicted + occurs)[:, ever]
        return _class_mean(_ratio(2 * (weights @ hits[:, ever]), doubled))

    return statistic


def median(values: Reals, index: Ints) -> Statistic:
    """Return the weighted median of (n,) values (mean of the two middle ones on even counts)."""
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    ranked, owner = values[order], index[order]

    def statistic(weights: Weights) -> Draws:
        found = np.full(len(weights), np.nan)
        for r, weight in enumerate(weights):
            running = np.cumsum(weight[owner])
            if len(running) and running[-1] > 0:
                total = running[-1]
                low = np.searchsorted(running, total / 2, side="left")
                high = np.searchsorted(running, total / 2, side="right")
                found[r] = (ranked[low] + ranked[min(high, len(ranked) - 1)]) / 2
        return found, np.ones(len(weights), dtype=bool)

    return statistic


def _group_sums(values: Reals, index: Ints, size: int) -> Reals:
    """Add the rows of each group."""
    sums = np.zeros((size, values.shape[1]))
    np.add.at(sums, index, values)
    return sums


def _class_mean(per_class: Reals) -> Draws:
    """Average (R, C) over the classes that are defined."""
    alive = np.isfinite(per_class)
    total = np.where(alive, per_class, 0.0).sum(axis=1)
    return _ratio(total, alive.sum(axis=1)), np.asarray(alive.all(axis=1))


def _ratio(top: Reals, bottom: NDArray[Any]) -> Reals:
    """Divide, NaN where the divisor is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(bottom > 0, top / bottom, np.nan))
