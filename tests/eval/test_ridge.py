"""Ridge regression: equal to scikit-learn at every alpha, and how alpha is chosen."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from eval.ridge import choose, fit


def cases(n=60, width=8, seed=0):
    rng = np.random.default_rng(seed)
    features = (rng.standard_normal((n, width)) * np.arange(1, width + 1)).astype(np.float32)
    features[:, 0] = 3  # a constant column
    return features, features @ rng.standard_normal(width) + rng.standard_normal(n) + 40


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("width", [8, 90])
def test_scikit_learn_predicts_the_same(alpha, width):
    features, numbers = cases(width=width)
    fresh = cases(width=width, seed=1)[0]
    centre, scale = features.mean(0, dtype=float), features.std(0, dtype=float)
    scale[scale == 0] = 1
    theirs = Ridge(alpha=alpha).fit((features - centre) / scale, numbers)
    ours = fit(features, numbers).predict(fresh, alpha)
    assert ours == pytest.approx(theirs.predict((fresh - centre) / scale), abs=1e-8)


def test_without_validation_nothing_is_chosen():
    features, numbers = cases()
    assert choose(fit(features, numbers), (1.0,), features[:0], numbers=numbers[:0]) is None


def test_validation_chooses_the_alpha_of_least_error():
    features, numbers = cases()
    fresh, truth = cases(seed=0, n=200)
    model, alphas = fit(features[:20], numbers[:20]), (1e-3, 1.0, 1e3, 1e6)
    errors = [np.mean((model.predict(fresh, a) - truth) ** 2) for a in alphas]
    assert choose(model, alphas, fresh, numbers=truth) == alphas[int(np.argmin(errors))]


def test_among_equals_the_strongest_penalty_wins():
    features, numbers = np.ones((6, 2), dtype=np.float32), np.arange(6.0)
    assert choose(fit(features, numbers), (1.0, 100.0, 10.0), features, numbers=numbers) == 100.0
