"""Threshold rules and what a decision says: hand work, and weights that stand for copies."""

import numpy as np
import pytest

from eval.threshold_rules import Counts, cut, formulas, npv_at, of_counts, ppv_at


def test_nobody_called_positive_has_no_ppv():
    statistic = of_counts(
        formulas(())["ppv"], np.zeros(3), np.array([0, 1.0, 1]), index=np.arange(3)
    )
    assert np.isnan(statistic(np.ones((1, 3)))[0][0])


def test_masked_labels_are_left_out():
    truth = np.array([1, np.nan, 0, 1.0])
    statistic = of_counts(formulas(())["sensitivity"], np.ones(4), truth, index=np.arange(4))
    assert statistic(np.array([[1, 5, 1, 0]]))[0][0] == 1


@pytest.mark.parametrize("name", formulas((0.1,)))
def test_weighting_equals_repeating_rows(name):
    rng = np.random.default_rng(0)
    called, truth = rng.integers(0, 2, (2, 30)).astype(float)
    weights = rng.integers(0, 3, 30)
    again = np.repeat(np.arange(30), weights)
    rule = formulas((0.1,))[name]
    one = of_counts(rule, called, truth, index=np.arange(30))(weights[None])[0][0]
    other = of_counts(rule, called[again], truth[again], index=np.arange(len(again)))
    assert one == pytest.approx(other(np.ones((1, len(again))))[0][0], abs=1e-12)


@pytest.mark.parametrize(("rule", "expected"), [("youden", 0.8), ("sensitivity", 0.4), ("f1", 0.8)])
def test_rules_cut_where_hand_work_says(rule, expected):
    scores = np.array([0.1, 0.4, 0.4, 0.8, 0.9, 0.4])
    truth = np.array([0, 0, 1, 1, 1, 0.0])
    # 0.8: J = 2/3, F1 = 0.8; 0.4: J = 1/3, F1 = 0.75; all three positives need 0.4
    assert cut(scores, truth, rule) == expected


def test_restated_values_follow_bayes():
    counts = Counts(*(np.array([float(v)]) for v in (80, 10, 20, 90)))
    assert ppv_at(0.01)(counts)[0] == pytest.approx(0.008 / (0.008 + 0.099), abs=1e-12)
    assert npv_at(0.01)(counts)[0] == pytest.approx(0.891 / (0.891 + 0.002), abs=1e-12)
    assert ppv_at(0.5)(counts)[0] == pytest.approx(0.8 / 0.9, abs=1e-12)
