"""Means over many classes: equal to the dense ones, and the harmonic mean of two pools."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from eval.many_classes import class_mean, harmonic, harmonic_mean, share
from eval.weighted import macro_mean, mean

INDEX = np.arange(6)
TRUTH = np.array([0, 0, 0, 0, 1, 1])
HITS = np.array([1.0, 1, 1, 0, 1, 0])  # queries AAAABB, nearest AAABBA


def once(statistic, count=6):
    return float(statistic(np.ones((1, count)))[0][0])


def test_nothing_known_is_not_defined():
    assert np.isnan(once(class_mean(np.full(6, np.nan), TRUTH, INDEX)))
    assert np.isnan(once(share(np.zeros(6), np.zeros(6), INDEX)))
    assert np.isnan(harmonic_mean(np.nan, 0.5))


def test_the_worked_example():
    assert once(mean(HITS, INDEX)) == pytest.approx(2 / 3, abs=1e-15)
    assert once(class_mean(HITS, TRUTH, INDEX)) == pytest.approx(5 / 8, abs=1e-15)
    assert balanced_accuracy_score([*"AAAABB"], [*"AAABBA"]) == 5 / 8
    assert harmonic_mean(0.8, 0.2) == pytest.approx(0.32, abs=1e-15)
    assert harmonic_mean(0.0, 0.0) == 0


def test_sparse_and_dense_tables_agree_under_any_weights():
    rng = np.random.default_rng(0)
    values, classes, index = rng.random(300), rng.integers(0, 60, 300), rng.integers(0, 40, 300)
    index[:40] = np.arange(40)
    values[rng.integers(0, 300, 30)] = np.nan
    weights = rng.integers(0, 3, (25, 40)).astype(np.uint16)
    ours, whole = class_mean(values, classes, index)(weights)
    theirs, dense_whole = macro_mean(values, classes, index)(weights)
    assert ours == pytest.approx(theirs, abs=1e-12)
    assert (whole == dense_whole).all()


def test_the_harmonic_mean_takes_both_pools_from_one_replicate():
    seen, unseen = np.array([1, 1, 0, np.nan, np.nan]), np.array([np.nan, np.nan, np.nan, 1, 0])
    weights = np.array([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [2, 0, 0, 0, 0]], dtype=np.uint16)
    index = np.arange(5)
    values, _ = harmonic(mean(seen, index), mean(unseen, index))(weights)
    assert values[:2] == pytest.approx([2 * (2 / 3) * 0.5 / (2 / 3 + 0.5), 0], abs=1e-15)
    assert np.isnan(values[2])


def test_a_share_is_weighted_above_and_below():
    values, _ = share(np.array([1.0, 0]), np.array([1.0, 3]), np.arange(2))(
        np.array([[1, 1], [3, 1]])
    )
    assert values.tolist() == [0.25, 0.5]
