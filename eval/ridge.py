"""Ridge regression on standardised features, its strength chosen on validation.

Legend: n rows, W features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.space import Floats

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Ridge:
    """A line through standardised features that minimises squared error + alpha · |w|².

    After Hoerl and Kennard, "Ridge Regression", Technometrics 1970. One singular value
    decomposition of the training rows serves every alpha.

    Attributes:
        centre: (W,) training mean.
        scale: (W,) training deviation, 1 where it is 0.
        mean: training mean of the numbers.
        axes: (r, W) right singular vectors of the standardised training rows.
        values: (r,) singular values.
        pull: (r,) left singular vectors times the centred numbers.
    """

    centre: Reals
    scale: Reals
    mean: float
    axes: Reals
    values: Reals
    pull: Reals

    def predict(self, features: Floats, alpha: float) -> Reals:
        """Return (n,) predictions of (n, W) features."""
        weights = self.axes.T @ (self.values / (self.values**2 + alpha) * self.pull)
        return np.asarray((features - self.centre) / self.scale @ weights + self.mean)


def fit(features: Floats, numbers: Reals) -> Ridge:
    """Return the regression of (n,) numbers on (n, W) features, for any alpha above 0."""
    centre = features.mean(axis=0, dtype=np.float64)
    spread = features.std(axis=0, dtype=np.float64)
    scale = np.where(spread > 0, spread, 1.0)
    left, values, axes = np.linalg.svd((features - centre) / scale, full_matrices=False)
    mean = float(numbers.mean())
    return Ridge(centre, scale, mean, axes, values, left.T @ (numbers - mean))


def choose(
    model: Ridge, alphas: Sequence[float], features: Floats, *, numbers: Reals
) -> float | None:
    """Return the alpha of least squared error on validation rows, the largest among equals.

    None without validation rows.
    """
    if len(numbers) == 0:
        return None
    errors = {
        alpha: float(np.mean((model.predict(features, alpha) - numbers) ** 2))
        for alpha in sorted(alphas, reverse=True)
    }
    return min(errors, key=lambda alpha: errors[alpha])
