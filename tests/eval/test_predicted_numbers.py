"""Measures of predicted numbers: undefined cases, scikit-learn, scipy, and weights as repetition."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score

from eval.predicted_numbers import absolute_error, r2, spearman

THEIRS = {
    r2: r2_score,
    absolute_error: mean_absolute_error,
    spearman: lambda truth, found: spearmanr(truth, found).statistic,
}


def once(formula, truth, found):
    count = len(truth)
    return float(formula(truth, found, np.arange(count))(np.ones((1, count)))[0][0])


def test_a_single_value_has_no_spread_and_no_order():
    flat, other = np.ones(5), np.arange(5.0)
    assert np.isnan(once(r2, flat, other))
    assert np.isnan(once(spearman, flat, other))
    assert np.isnan(once(spearman, other, flat))
    assert once(absolute_error, flat, other) == pytest.approx(1.4, abs=1e-15)


@pytest.mark.parametrize("formula", THEIRS)
@pytest.mark.parametrize("shift", [0, 1000])
def test_the_reference_implementations_agree(formula, shift):
    rng = np.random.default_rng(0)
    truth = np.round(rng.standard_normal(80), 1) + shift
    found = np.round(truth + rng.standard_normal(80), 1)
    assert once(formula, truth, found) == pytest.approx(THEIRS[formula](truth, found), abs=1e-12)


@pytest.mark.parametrize("formula", THEIRS)
def test_weighting_a_group_repeats_its_rows(formula):
    rng = np.random.default_rng(1)
    truth, found = np.round(rng.random(40), 1), np.round(rng.random(40), 1)
    index, weights = rng.permutation(np.arange(40) % 9), rng.integers(0, 3, (6, 9))
    values, _ = formula(truth, found, index)(weights)
    for value, weight in zip(values, weights, strict=True):
        many = weight[index]
        expected = THEIRS[formula](np.repeat(truth, many), np.repeat(found, many))
        assert value == pytest.approx(expected, abs=1e-12)


def test_a_replicate_of_one_value_is_not_defined():
    truth, index = np.array([1.0, 1.0, 2.0]), np.array([0, 0, 1])
    values, _ = r2(truth, truth, index)(np.array([[2, 0], [1, 1]]))
    assert np.isnan(values[0])
    assert values[1] == 1
