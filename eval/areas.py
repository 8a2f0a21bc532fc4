"""Areas under curves by weighted counting: scores are sorted once, replicates only change weights.

Ties are exact: AUROC counts a tied pair one half, AUPRC steps over a whole block of equal scores
(scikit-learn's `average_precision_score`). Legend: n samples, L labels, R replicates, G groups.
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


@dataclass(frozen=True)
class _Sorted:
    """One label's samples in the order counting needs.

    Attributes:
        negatives: groups of the negatives, rising score.
        positives: groups of the positives, falling score.
        edges: places among the negatives where a positive's score falls, rising from 0.
        below: per positive, the edge before which all negatives have a lower score.
        not_above: per positive, the edge before which none has a higher score.
        heads: where each block of equal positive scores starts.
    """

    negatives: Ints
    positives: Ints
    edges: Ints
    below: Ints
    not_above: Ints
    heads: Ints


def area(kind: Area, scores: Reals, truth: Reals, *, index: Ints) -> Statistic:
    """Return AUROC or AUPRC of (n,) scores; truth is 1, 0, or NaN where the label is masked."""
    return macro_area(kind, scores[:, None], truth[:, None], index=index)


def macro_area(kind: Area, scores: Reals, truth: Reals, *, index: Ints) -> Statistic:
    """Return the mean over labels of the area, scores and truth (n, L).

    Labels without both a positive and a negative are left out.
    """
    sorted_labels = [
        _sort(scores[:, label], truth[:, label], index) for label in range(scores.shape[1])
    ]
    usable = [s for s in sorted_labels if len(s.positives) and len(s.negatives)]
    count = _auroc if kind == "auroc" else _auprc

    def statistic(weights: Weights) -> Draws:
        narrow = len(truth) * weights.max(initial=0.0) < EXACT
        exact = np.float32 if narrow else np.float64
        columns: Columns = np.ascontiguousarray(weights.T, dtype=exact)
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


def _sort(scores: Reals, truth: Reals, index: Ints) -> _Sorted:
    """Sort one label's scores and find where each positive stands among the negatives."""
    negative, positive = np.flatnonzero(truth == 0), np.flatnonzero(truth == 1)
    negative = negative[np.argsort(scores[negative], kind="stable")]
    positive = positive[np.argsort(-scores[positive], kind="stable")]
    ladder, marks = scores[negative], scores[positive]
    heads = np.flatnonzero(np.concatenate([[True], marks[1:] != marks[:-1]])[: len(marks)])
    below, not_above = (np.searchsorted(ladder, marks, side=side) for side in ("left", "right"))
    edges = np.unique(np.concatenate([[0], below, not_above]))
    edges = edges[edges < max(1, len(negative))]
    return _Sorted(
        index[negative], index[positive], edges, np.searchsorted(edges, below),
        np.searchsorted(edges, not_above), heads,
    )  # fmt: skip


def _running(columns: Columns, one: _Sorted) -> Reals:
    """Return (edges + 1, R) weight of the negatives that come before each edge, then of all."""
    running = np.zeros((len(one.edges) + 1, columns.shape[1]))
    # adding up between edges first is four times as fast as a running sum over every negative
    parts = np.add.reduceat(columns[one.negatives], one.edges, axis=0)
    np.cumsum(parts, axis=0, dtype=np.float64, out=running[1:])
    return running


def _auroc(one: _Sorted, columns: Columns) -> Reals:
    """Share of (positive, negative) pairs in the right order, from (G, R) weights."""
    lower = _running(columns, one)
    mine = columns[one.positives].astype(np.float64)
    pairs = mine.sum(0) * lower[-1]
    beaten = lower[one.below].astype(np.float64) + lower[one.not_above]
    won = np.einsum("pr,pr->r", mine, beaten) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(pairs > 0, won / pairs, np.nan))


def _auprc(one: _Sorted, columns: Columns) -> Reals:
    """Sum over thresholds of precision times the step in recall, from (G, R) weights."""
    lower = _running(columns, one)
    mine = columns[one.positives].astype(np.float64)
    gained = np.add.reduceat(mine, one.heads, axis=0)
    hits = np.cumsum(gained, axis=0)
    called = hits + lower[-1] - lower[one.below[one.heads]]
    both = (hits[-1] > 0) & (lower[-1] > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        steps = np.where(gained > 0, gained * hits / called, 0.0)
        return np.asarray(np.where(both, steps.sum(0) / hits[-1], np.nan))
