"""Weighted statistics against scikit-learn and against repeated rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from eval.weighted import macro_f1, macro_mean, mean, median

RNG = np.random.default_rng(0)
TRUTH, GUESS = RNG.integers(0, 5, 80), RNG.integers(0, 6, 80)
GROUP = np.repeat(np.arange(20), 4)
WEIGHTS = RNG.integers(0, 4, (6, 20)).astype(float)


def test_the_mean_of_nothing_is_not_defined():
    assert np.isnan(mean(np.array([1.0]), np.array([0]))(np.zeros((1, 1)))[0][0])


def test_values_that_are_not_defined_are_left_out_of_means():
    values = np.array([1.0, np.nan, 0.0])
    assert mean(values, np.arange(3))(np.ones((1, 3)))[0][0] == 0.5


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
def test_balanced_accuracy_equals_scikit_learn():
    found = macro_mean((TRUTH == GUESS).astype(float), TRUTH, GROUP)(WEIGHTS)[0]
    for value, weight in zip(found, WEIGHTS, strict=True):
        rows = np.repeat(np.arange(80), weight[GROUP].astype(int))
        expected = balanced_accuracy_score(TRUTH[rows], GUESS[rows])
        assert value == pytest.approx(expected, abs=1e-12)


def test_macro_f1_equals_scikit_learn():
    found = macro_f1(np.eye(6)[GUESS], TRUTH, GROUP)(WEIGHTS)[0]
    for value, weight in zip(found, WEIGHTS, strict=True):
        rows = np.repeat(np.arange(80), weight[GROUP].astype(int))
        expected = f1_score(TRUTH[rows], GUESS[rows], average="macro")
        assert value == pytest.approx(expected, abs=1e-12)


def test_six_queries_of_two_classes_known_answer():
    classes, nearest = np.array(list("AAAABB")), np.array(list("AAABBA"))
    hits = (classes == nearest).astype(float)
    number = (classes == "B").astype(np.int64)
    one = np.ones((1, 6))
    assert mean(hits, np.arange(6))(one)[0][0] == pytest.approx(2 / 3, abs=1e-15)
    assert macro_mean(hits, number, np.arange(6))(one)[0][0] == pytest.approx(5 / 8, abs=1e-15)


def test_the_median_equals_the_median_of_repeated_rows():
    values = RNG.random(80)
    found = median(values, GROUP)(WEIGHTS)[0]
    for value, weight in zip(found, WEIGHTS, strict=True):
        assert value == np.median(np.repeat(values, weight[GROUP].astype(int)))


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=25))
def test_balanced_accuracy_equals_scikit_learn_whatever_class_is_absent(rows):
    truth, guess = (np.array(part) for part in zip(*rows, strict=True))
    statistic = macro_mean((truth == guess).astype(float), truth, np.arange(len(truth)))
    expected = balanced_accuracy_score(truth, guess)
    assert statistic(np.ones((1, len(truth))))[0][0] == pytest.approx(expected, abs=1e-12)
