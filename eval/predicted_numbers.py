"""How near predicted numbers come to true ones: R2, mean absolute error, rank correlation.

Weighting a group by w equals repeating its rows w times. Legend: n samples, G groups, R replicates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eval.intervals import Draws, Statistic, Weights
from eval.weighted import mean

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


def r2(truth: Reals, found: Reals, index: Ints) -> Statistic:
    """Return 1 - squared error over the spread of (n,) truths around their own mean."""
    centre = truth.mean() if len(truth) else 0.0
    moved = truth - centre  # sums of squares then lose no digits
    size = int(index.max(initial=-1)) + 1
    parts = (np.ones(len(truth)), moved, moved**2, (truth - found) ** 2)
    tables = [np.bincount(index, part, size) for part in parts]

    def statistic(weights: Weights) -> Draws:
        count, total, square, error = (weights @ table for table in tables)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = square - total**2 / count
            value = np.where(_varied(truth, index, weights), 1 - error / spread, np.nan)
        return value, np.ones(len(weights), dtype=bool)

    return statistic


def absolute_error(truth: Reals, found: Reals, index: Ints) -> Statistic:
    """Return the mean of |truth - found|, in the unit of the numbers."""
    return mean(np.abs(truth - found), index)


def spearman(truth: Reals, found: Reals, index: Ints) -> Statistic:
    """Return the correlation of mid-ranks; NaN where one side has a single value."""
    sides = [np.unique(part, return_inverse=True) for part in (truth, found)]
    places = [np.asarray(place).reshape(-1) for _, place in sides]

    def statistic(weights: Weights) -> Draws:
        values = np.array([_correlation(places, weight[index]) for weight in weights])
        return values, np.ones(len(weights), dtype=bool)

    return statistic


def _correlation(places: list[Ints], weight: NDArray[np.integer]) -> float:
    """Return the weighted correlation of the mid-ranks of two columns of levels."""
    heavy = weight.astype(np.float64)
    total = heavy.sum()
    centred = []
    for place in places:
        level = np.bincount(place, heavy)
        if (level > 0).sum() < 2:
            return float("nan")
        middle = np.cumsum(level) - level / 2
        centred.append(middle[place] - total / 2)
    one, other = centred
    spread = np.sqrt(np.sum(heavy * one**2) * np.sum(heavy * other**2))
    return float(np.sum(heavy * one * other) / spread)


def _varied(truth: Reals, index: Ints, weights: Weights) -> NDArray[np.bool_]:
    """Return (R,) whether a replicate holds more than one true value."""
    _, level = np.unique(truth, return_inverse=True)
    level = np.asarray(level).reshape(-1)
    size = int(index.max(initial=-1)) + 1
    low, high = np.full(size, np.iinfo(np.int64).max), np.full(size, -1)
    np.minimum.at(low, index, level)
    np.maximum.at(high, index, level)
    drawn = weights > 0
    least = np.where(drawn, low, np.iinfo(np.int64).max).min(axis=1, initial=np.iinfo(np.int64).max)
    return np.asarray(np.where(drawn, high, -1).max(axis=1, initial=-1) > least)
