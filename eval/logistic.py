"""Logistic regression on standardised features, its strength chosen on validation.

Legend: n rows, W features, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.areas import macro_area, usable_labels
from eval.classify import top_k
from eval.labels import Truth
from eval.logistic_fits import by_scikit_learn, by_torch
from eval.space import Floats
from eval.weighted import macro_mean

Reals = NDArray[np.float64]

MOST_ROWS = 200_000  # rows up to which scikit-learn fits


@dataclass
class Regression:
    """One probe: multinomial for single labels, one-versus-rest for label sets.

    Attributes:
        strengths: values of C to choose from, small is strongly regularised.
        iterations: most steps of lbfgs.
        seed: the run's seed.
        chosen: the C that validation preferred, once fitted.
        notes: what to flag: the C, "not-converged", "C-not-selected".
    """

    strengths: tuple[float, ...]
    iterations: int
    seed: int
    chosen: float = 1.0
    notes: list[str] = field(default_factory=list)

    def scores(self, train: tuple[Floats, Truth], val: tuple[Floats, Truth], test: Floats) -> Reals:
        """Return (n, C) decision values on the test rows, fitted on train alone."""
        center = train[0].mean(axis=0, dtype=np.float64)
        spread = train[0].std(axis=0, dtype=np.float64)
        scale = np.where(spread > 0, spread, 1.0)
        x, x_val, x_test = ((part - center) / scale for part in (train[0], val[0], test))
        self.chosen = self._choose(x, train[1], val=(x_val, val[1]))
        self.notes.append(f"C={self.chosen:g}")
        return self._fit(x, train[1], x_test, strength=self.chosen, note=True)

    def _choose(self, x: Reals, truth: Truth, *, val: tuple[Reals, Truth]) -> float:
        """Return the C with the best validation metric, the smallest among equals."""
        x_val = val[0]
        if len(x_val) == 0 or len(self.strengths) == 1:
            if len(x_val) == 0:
                self.notes.append("C-not-selected")
            return 1.0 if 1.0 in self.strengths else self.strengths[0]
        best, best_value = self.strengths[0], -np.inf
        for strength in sorted(self.strengths):
            value = quality(self._fit(x, truth, x_val, strength=strength), val[1])
            if value > best_value:
                best, best_value = strength, value
        return best

    def _fit(
        self, x: Reals, truth: Truth, x_new: Reals, *, strength: float, note: bool = False
    ) -> Reals:
        """Fit on (n, W) and return decision values of other rows."""
        scores = np.full((len(x_new), len(truth.classes)), -np.inf)
        if truth.single is not None:
            targets: list[tuple[list[int], Any, Any]] = [
                (list(range(len(truth.classes))), x, truth.single)
            ]
        else:
            targets = []
            for number in usable_labels(truth.table):
                known = np.isfinite(truth.table[:, number])
                targets.append(([number], x[known], truth.table[known, number]))
        for columns, rows, labels in targets:
            scores[:, columns] = self._one(
                rows, labels, x_new, strength=strength, width=len(columns), note=note
            )
        return scores

    def _one(
        self, x: Reals, labels: Any, x_new: Reals, *, strength: float, width: int, note: bool
    ) -> Reals:
        """Fit one model; returns (n, width) decision values."""
        fitted = by_scikit_learn if len(x) <= MOST_ROWS else by_torch
        values, converged = fitted(x, labels, x_new, strength=strength, steps=self.iterations)
        if note and not converged:
            self.notes.append("not-converged")
        if width == 1:
            return values[:, None]
        return np.stack([-values, values], axis=1) if values.ndim == 1 else values


def quality(scores: Reals, truth: Truth) -> float:
    """Return what validation compares: balanced accuracy, or macro AUROC for label sets."""
    index = np.arange(len(scores))
    weights = np.ones((1, len(scores)))
    if truth.single is not None:
        statistic = macro_mean(top_k(scores, truth.single, 1), truth.single, index)
    else:
        used = usable_labels(truth.table)
        if not used:
            return -np.inf
        statistic = macro_area("auroc", scores[:, used], truth.table[:, used], index=index)
    return float(statistic(weights)[0][0])
