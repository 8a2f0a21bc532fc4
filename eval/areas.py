"""Areas under curves by weighted counting: scores are sorted once, replicates only change weights.

Ties are exact: AUROC counts a tied pair one half, AUPRC steps over a whole block of equal scores
(scikit-learn's `average_precision_score`). Legend: n samples, L labels, R replicates, G groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eval.intervals import Draws, Statistic, Weights

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Area = Literal["auroc", "auprc"]


@dataclass(frozen=True)
class _Sorted:
    """One label's samples in the order counting needs.

    Attributes:
        negatives: groups of the negatives, rising score.
        positives: groups of the positives, falling score.
        below: per positive, negatives with a lower score.
        not_above: per positive, negatives with a lower or equal score.
        heads: where each block of equal positive scores starts.
    """

    negatives: Ints
    positives: Ints
    below: Ints
    not_above: Ints
    heads: Ints


def area(kind: Area, scores: Reals, truth: Reals, index: Ints) -> Statistic:
    """Return AUROC or AUPRC of (n,) scores; truth is 1, 0, or NaN where the label is masked."""
    return macro_area(kind, scores[:, None], truth[:, None], index)


def macro_area(kind: Area, scores: Reals, truth: Reals, index: Ints) -> Statistic:
    """Return the mean over labels of the area, scores and truth (n, L).

    Labels without both a positive and a negative are left out.
    """
    sorted_labels = [
        _sort(scores[:, label], truth[:, label], index) for label in range(scores.shape[1])
    ]
    usable = [s for s in sorted_labels if len(s.positives) and len(s.negatives)]
    count = _auroc if kind == "auroc" else _auprc

    def statistic(weights: Weights) -> Draws:
        columns = np.ascontiguousarray(weights.T)
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
    return _Sorted(
        index[negative], index[positive], np.searchsorted(ladder, marks, side="left"),
        np.searchsorted(ladder, marks, side="right"), heads,
    )  # fmt: skip


def _running(columns: Reals, groups: Ints) -> Reals:
    """Return (len + 1, R) weight of the first 0, 1, 2, ... samples."""
    running = np.zeros((len(groups) + 1, columns.shape[1]))
    np.cumsum(columns[groups], axis=0, out=running[1:])
    return running


def _auroc(one: _Sorted, columns: Reals) -> Reals:
    """Share of (positive, negative) pairs in the right order, from (G, R) weights."""
    lower = _running(columns, one.negatives)
    mine = columns[one.positives]
    pairs = mine.sum(0) * lower[-1]
    won = np.einsum("pr,pr->r", mine, lower[one.below] + lower[one.not_above]) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(pairs > 0, won / pairs, np.nan))


def _auprc(one: _Sorted, columns: Reals) -> Reals:
    """Sum over thresholds of precision times the step in recall, from (G, R) weights."""
    lower = _running(columns, one.negatives)
    gained = np.add.reduceat(columns[one.positives], one.heads, axis=0)
    hits = np.cumsum(gained, axis=0)
    called = hits + lower[-1] - lower[one.below[one.heads]]
    both = (hits[-1] > 0) & (lower[-1] > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        steps = np.where(gained > 0, gained * hits / called, 0.0)
        return np.asarray(np.where(both, steps.sum(0) / hits[-1], np.nan))
