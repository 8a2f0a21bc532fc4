"""Votes of the nearest training items.

Legend: n queries, m training items, C classes, K neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from eval.labels import Truth
from eval.logistic import quality
from eval.ranking import Problem, rank
from eval.scores import score
from eval.space import Floats

Reals = NDArray[np.float64]


@dataclass
class Votes:
    """A majority vote of k neighbours.

    Attributes:
        score: registry name of the score that says who is near.
        k: neighbours.
        notes: what to flag.
        quality: what the votes on validation rows are worth, once scored; None without such rows.
    """

    score: str
    k: int
    notes: list[str] = field(default_factory=list)
    quality: float | None = None

    def scores(self, train: tuple[Floats, Truth], val: tuple[Floats, Truth], test: Floats) -> Reals:
        """Return (n, C): votes, and below one vote's worth how near the class's nearest member is."""
        items, truth = train
        k = min(self.k, len(items))
        if k < self.k:
            self.notes.append(f"only {k} training items")
        if len(val[0]):
            self.quality = quality(self._votes(items, truth, val[0], k=k), val[1])
        return self._votes(items, truth, test, k=k)

    def _votes(self, items: Floats, truth: Truth, test: Floats, *, k: int) -> Reals:
        rule = score(self.score)
        none = [np.zeros(0, dtype=np.int64)] * len(test)
        problem = Problem(rule, rule.prepare(test), rule.prepare(items), none, none, top=k)
        nearest = np.zeros((len(test), k), dtype=np.int64)
        for part in rank(problem):
            nearest[part.numbers] = part.best
        votes = np.nan_to_num(truth.table)[nearest]
        place = np.where(votes > 0, np.arange(k)[None, :, None], k).min(axis=1)
        return np.asarray(votes.sum(axis=1) + (k - place) / (k + 1))
