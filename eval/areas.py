"""Areas under curves by weighted counting: scores are sorted once, replicates only change weights.

Ties are exact: AUROC counts a tied pair one half, AUPRC steps over a whole block of equal scores
(scikit-learn's `average_precision_score`). Counts are whole numbers in a type that holds them
exactly. Legend: n samples, L labels, R replicates, G groups, K levels (distinct scores of
positives, rising), S stretches of samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eval.intervals import Draws, Statistic, Weights

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Columns = NDArray[np.floating[Any]]
Area = Literal["auroc", "auprc"]

EXACT = 1 << 24  # whole numbers that float32 holds exactly; running counts stay below
STEP = 32  # rows that one small triangular product adds up


@dataclass(frozen=True)
class _Sorted:
    """One label's samples, sorted, as sparse (S, G) tables that add up weights of groups.

    Attributes:
        positives: the positives of each level.
        before: the negatives above the level below and below this level; lastly those above all
            or tied with the last.
        tied_levels: levels that negatives share.
        tied: the negatives at each of these levels.
    """

    positives: Any
    before: Any
    tied_levels: Ints
    tied: Any


def area(kind: Area, scores: Reals, truth: Reals, *, index: Ints) -> Statistic:
    """Return AUROC or AUPRC of (n,) scores; truth is 1, 0, or NaN where the label is masked."""
    return macro_area(kind, scores[:, None], truth[:, None], index=index)


def macro_area(kind: Area, scores: Reals, truth: Reals, *, index: Ints) -> Statistic:
    """Return the mean over labels of the area, scores and truth (n, L).

    Labels without both a positive and a negative are left out.
    """
    groups = int(index.max(initial=-1)) + 1
    usable = [
        _sort(scores[:, label], truth[:, label], index, groups=groups)
        for label in usable_labels(truth)
    ]
    count = _auroc if kind == "auroc" else _auprc

    def statistic(weights: Weights) -> Draws:
        narrow = len(truth) * float(weights.max(initial=0)) < EXACT
        columns: Columns = np.ascontiguousarray(weights.T, dtype=np.float32 if narrow else float)
        total, alive = np.zeros(len(weights)), np.zeros(len(weights), dtype=np.int64)
        for one in usable:
            value = count(one, columns)
            known = np.isfinite(value)
            total += np.where(known, value, 0.0)
            alive += known
        with np.errstate(invalid="ignore", divide="ignore"):
            value = np.where(alive > 0, total / alive, np.nan)
        return value, alive == len(usable)

    return statistic


def usable_labels(truth: Reals, least: int = 1) -> Sequence[int]:
    """Return the labels with at least `least` positives and as many negatives."""
    positives, negatives = np.sum(truth == 1, axis=0), np.sum(truth == 0, axis=0)
    return [int(i) for i in np.flatnonzero((positives >= least) & (negatives >= least))]


def _sort(scores: Reals, truth: Reals, index: Ints, *, groups: int) -> _Sorted:
    """Sort one label's scores and find where each level stands among the negatives."""
    negative, positive = np.flatnonzero(truth == 0), np.flatnonzero(truth == 1)
    negative = negative[np.argsort(scores[negative], kind="stable")]
    positive = positive[np.argsort(scores[positive], kind="stable")]
    ladder, marks = scores[negative], scores[positive]
    heads = np.flatnonzero(np.concatenate([[True], marks[1:] != marks[:-1]]))
    below, not_above = (np.searchsorted(ladder, marks[heads], side=s) for s in ("left", "right"))
    tied = np.flatnonzero(not_above > below)
    pairs = np.stack([below[tied], not_above[tied]], axis=1).reshape(-1)
    return _Sorted(
        _stretches(index[positive], np.append(heads, len(positive)), groups),
        _stretches(index[negative], np.concatenate([[0], below, [len(negative)]]), groups),
        tied, _stretches(index[negative], pairs, groups)[::2],
    )  # fmt: skip


def _stretches(groups_of: Ints, ends: Ints, groups: int) -> Any:
    """Return the sparse (S, G) table whose row s counts the groups from `ends[s]` to the next."""
    from scipy.sparse import csr_array

    if len(ends) < 2:
        return csr_array((0, groups), dtype=np.float32)
    inside = groups_of[ends[0] : ends[-1]]
    ones = np.ones(len(inside), dtype=np.float32)
    return csr_array((ones, inside, ends - ends[0]), shape=(len(ends) - 1, groups))


def _auroc(one: _Sorted, columns: Columns) -> Reals:
    """Share of (positive, negative) pairs in the right order, from (G, R) weights."""
    positives, before = one.positives @ columns, one.before @ columns
    lower = _running(before)
    won = _dot(positives, lower[:-1])
    if len(one.tied_levels):
        won += _dot(positives[one.tied_levels], one.tied @ columns) / 2
    pairs = positives.sum(axis=0, dtype=np.float64) * lower[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(pairs > 0, won / pairs, np.nan))


def _auprc(one: _Sorted, columns: Columns) -> Reals:
    """Sum over thresholds of precision times the step in recall, from (G, R) weights."""
    gained = (one.positives @ columns).astype(np.float64)
    lower, reached = _running(one.before @ columns), _running(gained)
    hits = reached[-1] - reached + gained
    called = hits + (lower[-1] - lower[:-1])
    both = (hits[0] > 0) & (lower[-1] > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        steps = np.where(gained > 0, gained * hits / called, 0.0)
        return np.asarray(np.where(both, steps.sum(0) / hits[0], np.nan))


def _running(values: Columns) -> Columns:
    """Return (K, R) running sums down the rows, by small products: numpy's own is slow there."""
    size, width = values.shape
    blocks = np.zeros((-(-size // STEP), STEP, width), dtype=values.dtype)
    blocks.reshape(-1, width)[:size] = values
    within = np.matmul(np.tri(STEP, dtype=values.dtype), blocks)
    last = within[:, -1].copy()
    within += (np.cumsum(last, axis=0) - last)[:, None]
    return np.asarray(within.reshape(-1, width)[:size])


def _dot(one: Columns, other: Columns) -> Reals:
    """Return (R,) sums over rows of the products, in float64."""
    return np.asarray(np.einsum("kr,kr->r", one, other, dtype=np.float64))
