"""Where to cut a score in two, and what the cut then says.

Legend: n rows, K distinct scores, G groups, R replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eval.intervals import Draws, Statistic, Weights

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Rule = Literal["youden", "sensitivity", "f1"]

SENSITIVITY = 0.90


@dataclass(frozen=True)
class Counts:
    """Rows by truth and decision, each (R,) weighted numbers or single ones."""

    hits: Reals
    false: Reals
    missed: Reals
    rejected: Reals


def cut(scores: Reals, truth: Reals, rule: Rule) -> float:
    """Return the threshold t that the rule prefers; a row is called positive if its score >= t.

    `youden` has the largest sensitivity + specificity, `f1` the largest F1, `sensitivity` the
    highest threshold that finds 90 % of the positives. Among equals the highest threshold wins.

    Args:
        scores: (n,) scores.
        truth: (n,) 1 or 0; both must occur.
        rule: the rule.
    """
    levels, level_of = np.unique(-scores, return_inverse=True)  # highest score first
    hits = np.cumsum(np.bincount(level_of, truth, len(levels)))
    false = np.cumsum(np.bincount(level_of, 1 - truth, len(levels)))
    positives, negatives = hits[-1], false[-1]
    if rule == "sensitivity":
        # whole numbers are compared, because 0.9 has no exact binary form
        return float(-levels[np.argmax(10 * hits >= 9 * positives)])
    if rule == "f1":
        return float(-levels[np.argmax(2 * hits / (hits + false + positives))])
    gain = hits * negatives - false * positives
    return float(-levels[np.argmax(gain)])


def sensitivity(counts: Counts) -> Reals:
    """Return the share of the positives that are called positive."""
    return _ratio(counts.hits, counts.hits + counts.missed)


def specificity(counts: Counts) -> Reals:
    """Return the share of the negatives that are called negative."""
    return _ratio(counts.rejected, counts.rejected + counts.false)


def f1(counts: Counts) -> Reals:
    """Return the harmonic mean of sensitivity and PPV."""
    return _ratio(2 * counts.hits, 2 * counts.hits + counts.false + counts.missed)


def ppv(counts: Counts) -> Reals:
    """Return the share of those called positive that are."""
    return _ratio(counts.hits, counts.hits + counts.false)


def npv(counts: Counts) -> Reals:
    """Return the share of those called negative that are."""
    return _ratio(counts.rejected, counts.rejected + counts.missed)


def ppv_at(prevalence: float) -> Callable[[Counts], Reals]:
    """Return PPV where the positives have another share, by Bayes' rule."""

    def restated(counts: Counts) -> Reals:
        found = prevalence * sensitivity(counts)
        return _ratio(found, found + (1 - prevalence) * (1 - specificity(counts)))

    return restated


def npv_at(prevalence: float) -> Callable[[Counts], Reals]:
    """Return NPV where the positives have another share, by Bayes' rule."""

    def restated(counts: Counts) -> Reals:
        cleared = (1 - prevalence) * specificity(counts)
        return _ratio(cleared, cleared + prevalence * (1 - sensitivity(counts)))

    return restated


def formulas(prevalences: Sequence[float]) -> dict[str, Callable[[Counts], Reals]]:
    """Return every number of a decision by name, PPV and NPV also at other prevalences."""
    found: dict[str, Callable[[Counts], Reals]] = {
        "sensitivity": sensitivity, "specificity": specificity, "f1": f1, "ppv": ppv, "npv": npv,
    }  # fmt: skip
    for share in prevalences:
        found |= {f"ppv_at_{share:g}": ppv_at(share), f"npv_at_{share:g}": npv_at(share)}
    return found


def of_counts(
    formula: Callable[[Counts], Reals], called: Reals, truth: Reals, *, index: Ints
) -> Statistic:
    """Return a formula of counts as a function of group weights.

    Args:
        formula: of the counts.
        called: (n,) 1 where the row is called positive, a fraction where a tie is shared.
        truth: (n,) 1, 0, or NaN where the label is masked.
        index: (n,) group of each row.
    """
    size = int(index.max(initial=-1)) + 1
    known = np.isfinite(truth)
    y, c, owner = truth[known], called[known], index[known]
    cells = (y * c, (1 - y) * c, y * (1 - c), (1 - y) * (1 - c))
    sums = np.stack([np.bincount(owner, cell, size) for cell in cells], axis=1)

    def statistic(weights: Weights) -> Draws:
        totals = weights @ sums
        return formula(Counts(*totals.T)), np.ones(len(weights), dtype=bool)

    return statistic


def _ratio(top: Reals, bottom: Reals) -> Reals:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(bottom > 0, top / bottom, np.nan))
