"""Both fits of one logistic objective: decision values of scikit-learn, honest about convergence."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from eval.logistic_fits import by_scikit_learn, by_torch


def cases(classes, n=300, width=6):
    rng = np.random.default_rng(classes)
    labels = rng.integers(0, classes, n)
    x = rng.standard_normal((n, width))
    x[np.arange(n), labels % width] += 1.5
    return x, labels, rng.standard_normal((40, width))


@pytest.mark.parametrize("fit", [by_scikit_learn, by_torch])
def test_too_few_steps_are_said_to_be_too_few(fit):
    x, labels, new = cases(3)
    assert not fit(x, labels, new, strength=1e4, steps=2)[1]
    assert fit(x, labels, new, strength=1.0, steps=500)[1]


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_many_rows_are_fitted_as_few_are(classes, strength, monkeypatch):
    monkeypatch.setattr("eval.logistic_fits.CHUNK", 64)
    x, labels, new = cases(classes)
    values, converged = by_torch(x, labels, new, strength=strength, steps=1000)
    theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=1000).fit(x, labels)
    assert converged
    assert values == pytest.approx(theirs.decision_function(new), abs=1e-4)
