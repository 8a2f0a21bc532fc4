"""Weighted means over very many classes, whose tables are sparse.

Legend: n samples, G groups, R replicates, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.intervals import Draws, Statistic, Weights

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


def class_mean(values: Reals, classes: Ints, index: Ints) -> Statistic:
    """Return the mean over occurring classes of the mean of (n,) values in each class.

    The same as `eval.weighted.macro_mean`; a replicate costs G, not G x C. NaN values are left out.
    """
    known = np.isfinite(values)
    present, row = np.unique(classes[known], return_inverse=True)
    shape = (len(present), int(index.max(initial=-1)) + 1)
    sums = _table(values[known], row, index[known], shape=shape)
    counts = _table(np.ones(int(known.sum())), row, index[known], shape=shape)

    def statistic(weights: Weights) -> Draws:
        columns = np.ascontiguousarray(weights.T, dtype=np.float64)
        total, count = sums @ columns, counts @ columns
        alive = count > 0
        each = np.where(alive, total / np.where(alive, count, 1.0), 0.0)
        return _ratio(each.sum(axis=0), alive.sum(axis=0)), np.asarray(alive.all(axis=0))

    return statistic


def share(part: Reals, whole: Reals, index: Ints) -> Statistic:
    """Return the sum of (n,) parts over the sum of (n,) wholes."""
    size = int(index.max(initial=-1)) + 1
    top, bottom = (np.bincount(index, values, size) for values in (part, whole))

    def statistic(weights: Weights) -> Draws:
        return _ratio(weights @ top, weights @ bottom), np.ones(len(weights), dtype=bool)

    return statistic


def harmonic(one: Statistic, other: Statistic) -> Statistic:
    """Return the harmonic mean 2su/(s+u) of two statistics of the same groups; 0 when both are 0."""

    def statistic(weights: Weights) -> Draws:
        (s, s_whole), (u, u_whole) = one(weights), other(weights)
        return harmonic_mean(s, u), s_whole & u_whole

    return statistic


def harmonic_mean(one: Any, other: Any) -> Reals:
    """Return 2su/(s+u) of numbers of at least 0; 0 when both are 0, NaN when one is not defined.

    >>> round(float(harmonic_mean(0.8, 0.2)), 12)
    0.32
    """
    total = np.asarray(one, dtype=np.float64) + np.asarray(other, dtype=np.float64)
    safe = np.where(total == 0, 1.0, total)
    return np.asarray(2 * np.asarray(one) * np.asarray(other) / safe)


def _table(values: Reals, rows: Ints, columns: Ints, *, shape: tuple[int, int]) -> Any:
    """Return the sparse sum of values by row and column."""
    from scipy.sparse import csr_array

    return csr_array((values, (rows, columns)), shape=shape)


def _ratio(top: Reals, bottom: NDArray[Any]) -> Reals:
    """Divide, NaN where the divisor is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(bottom > 0, top / bottom, np.nan))
