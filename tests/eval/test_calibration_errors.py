"""Calibration errors: hand-worked values, and agreement with a fit by scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from eval import calibration_errors as errors

STATED = np.array([0.1, 0.2, 0.2, 0.8, 0.95, 1, 0])
TRUE = np.array([0, 1, 0, 1, 1, 1, 0.0])
ALONE = np.arange(7)


def value(statistic, groups):
    return float(statistic(np.ones((1, groups)))[0][0])


def drawn(n=300, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    truth = (rng.random(n) < 1 / (1 + np.exp(-(0.5 * x + 0.3)))).astype(float)
    return 1 / (1 + np.exp(-x)), truth, rng.integers(0, 60, n)


def test_nothing_known_is_not_defined():
    nan = np.full(7, np.nan)
    bins = errors.equal_width(STATED)
    for statistic in (
        errors.brier(nan, TRUE, ALONE),
        errors.calibration_error(nan, TRUE, bins, index=ALONE),
    ):
        assert np.isnan(value(statistic, 7))


def test_separable_outcomes_have_no_slope():
    truth = (STATED > 0.5).astype(float)
    assert np.isnan(value(errors.slope(STATED, truth, ALONE), 7))


def test_bins_are_closed_on_the_left():
    bins = errors.equal_width(STATED, 5)
    assert bins.tolist() == [0, 1, 1, 4, 4, 4, 0]
    ece = errors.calibration_error(STATED, TRUE, bins, index=ALONE)
    assert value(ece, 7) == pytest.approx(0.135714285714, abs=1e-11)


def test_bins_of_fifteen_begin_where_they_say():
    edges = np.arange(15) / 15
    assert errors.equal_width(edges).tolist() == list(range(15))
    assert errors.equal_width(np.array([1.0])).tolist() == [14]


def test_bins_of_equal_mass_keep_equal_values_together():
    bins = errors.equal_mass(np.array([0.1, 0.2, 0.2, 0.2, 0.9, np.nan]), 5)
    assert bins[:5].tolist() == [0, 1, 1, 1, 4]


def test_brier_scores_are_those_of_scikit_learn_weighted_too():
    stated, truth, index = drawn()
    weights = np.random.default_rng(1).integers(0, 4, (1, 60))
    found = float(errors.brier(stated, truth, index)(weights)[0][0])
    expected = brier_score_loss(truth, stated, sample_weight=weights[0][index])
    assert found == pytest.approx(expected, abs=1e-12)
    assert value(errors.brier(np.array([0.1, 0.4, 0.4, 0.8, 0.9, 0.4]),
                              np.array([0, 0, 1, 1, 1, 0.0]), np.arange(6)), 6) == pytest.approx(
        0.123333333333, abs=1e-11)  # fmt: skip


def test_slope_is_that_of_an_unpenalised_regression():
    stated, truth, index = drawn()
    model = LogisticRegression(C=1e10, tol=1e-10, max_iter=1000)
    model.fit(errors.logit(stated)[:, None], truth)
    assert value(errors.slope(stated, truth, index), 60) == pytest.approx(
        float(model.coef_[0, 0]), abs=1e-5
    )


def test_the_intercept_makes_the_mean_come_true():
    stated, truth, index = drawn()
    shift = value(errors.intercept(stated, truth, index), 60)
    mended = 1 / (1 + np.exp(-(errors.logit(stated) + shift)))
    assert mended.mean() == pytest.approx(truth.mean(), abs=1e-9)


@pytest.mark.parametrize("rule", [errors.brier, errors.slope, errors.intercept])
def test_weighting_equals_repeating_rows(rule):
    stated, truth, index = drawn(80)
    weights = np.random.default_rng(2).integers(0, 3, 60)
    again = np.repeat(np.arange(80), weights[index])
    repeated = rule(stated[again], truth[again], index[again])
    expected = float(repeated(np.ones((1, index[again].max() + 1)))[0][0])
    found = float(rule(stated, truth, index)(weights[None, : index.max() + 1])[0][0])
    assert found == pytest.approx(expected, abs=1e-9)


def test_the_table_counts_every_outcome_once():
    table = errors.reliability(STATED, TRUE, errors.equal_width(STATED, 5))
    assert [part["n"] for part in table] == [2, 2, 3]
    assert table[1]["accuracy"] == 0.5
