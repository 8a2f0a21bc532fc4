"""Permutation tests and Holm: hand-worked values, and errors at the level they promise."""

import numpy as np
import pytest

from eval.compare_tests import difference, holm, split_test, swap_test
from eval.weighted import mean


def paired(a, b):
    """The joint statistic of two models, one row per group."""
    return mean(np.concatenate([a, b]).astype(float), np.arange(2 * len(a)))


def test_an_undefined_difference_has_no_p():
    nothing = np.full(12, np.nan)
    assert swap_test(paired(nothing, nothing), 12, seed=1, permutations=100) is None
    inside = np.arange(12) < 6
    statistic = mean(nothing, np.arange(12))
    assert split_test(statistic, inside, seed=1, permutations=100) is None


def test_holm_keeps_what_was_not_tested():
    assert holm([]) == []
    assert holm([None, 0.02, None, 0.04]) == [None, 0.04, None, 0.04]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_holm_gives_the_hand_worked_values():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_equal_models_have_p_one():
    same = np.random.default_rng(0).random(30)
    assert swap_test(paired(same, same), 30, seed=1, permutations=500) == 1.0


def test_the_smallest_p_is_that_of_every_swap_one_way():
    # of 2^10 swaps only the two that keep or turn all groups reach the difference
    p = swap_test(paired(np.ones(10), np.zeros(10)), 10, seed=2, permutations=20_000)
    assert p == pytest.approx(2 / 1024, rel=0.35)


def test_the_difference_is_that_of_the_two_means():
    rng = np.random.default_rng(3)
    a, b, weights = rng.random(20), rng.random(20), rng.integers(0, 3, (4, 20))
    found = difference(paired(a, b), 20)(weights)[0]
    assert found == pytest.approx((weights @ (a - b)) / weights.sum(1), abs=1e-12)


def test_null_p_values_are_not_too_small():
    rng = np.random.default_rng(7)
    ps = [swap_test(paired(*rng.integers(0, 2, (2, 40))), 40, seed=i, permutations=200)
          for i in range(200)]  # fmt: skip
    assert np.mean(np.array(ps) <= 0.05) <= 0.09
    inside = np.arange(40) < 20
    ps = [split_test(mean(rng.random(40), np.arange(40)), inside, seed=i, permutations=200)
          for i in range(200)]  # fmt: skip
    assert 0.01 <= np.mean(np.array(ps) <= 0.05) <= 0.09


def test_the_seed_decides_the_permutations():
    rng = np.random.default_rng(1)
    one = paired(*rng.random((2, 25)))
    found = [swap_test(one, 25, seed=seed, permutations=300) for seed in (1, 1, 2, 3, 4)]
    assert found[0] == found[1]
    assert len(set(found)) > 2
