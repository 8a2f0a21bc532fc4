"""Risk and coverage: the worked example, ties by enumeration, and weights as repetition."""

from itertools import pairwise, permutations

import numpy as np
import pytest

from eval.novelty import accuracy_at, false_alarms, risk_area

CONFIDENCE = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
ERRORS = np.array([0.0, 0, 1, 0, 1])


def once(formula, order, values, **more):
    index = np.arange(len(values))
    return float(formula(np.asarray(order, float), np.asarray(values, float), index, **more)(
        np.ones((1, len(values))))[0][0])  # fmt: skip


def orders(scores):
    """Every order of the rows that equal scores leave open."""
    for order in permutations(range(len(scores))):
        if all(scores[a] >= scores[b] for a, b in pairwise(order)):
            yield order


def test_without_rows_or_without_both_kinds_nothing_is_defined():
    index = np.arange(3)
    nothing = np.zeros((1, 3))
    assert np.isnan(risk_area(np.ones(3), np.ones(3), index)(nothing)[0][0])
    assert np.isnan(accuracy_at(np.ones(3), np.ones(3), index, coverage=0.8)(nothing)[0][0])
    assert np.isnan(once(false_alarms, [1, 2], [1, 1]))
    assert np.isnan(once(false_alarms, [1, 2], [0, 0]))


def test_the_worked_example():
    assert once(risk_area, CONFIDENCE, ERRORS) == pytest.approx(0.196667, abs=5e-7)
    assert once(risk_area, CONFIDENCE, ERRORS) == pytest.approx(
        (1 / 3 + 1 / 4 + 2 / 5) / 5, abs=1e-15
    )
    assert once(accuracy_at, CONFIDENCE, ERRORS, coverage=0.8) == 0.75
    assert once(accuracy_at, CONFIDENCE, ERRORS, coverage=0.9) == 0.6


@pytest.mark.parametrize("seed", range(6))
def test_ties_are_the_mean_over_every_order(seed):
    rng = np.random.default_rng(seed)
    scores, errors = rng.integers(0, 3, 6), rng.random(6)
    risks, kept = [], []
    for order in orders(scores):
        running = np.cumsum(errors[list(order)]) / np.arange(1, 7)
        risks.append(running.mean())
        kept.append(1 - running[3])
    assert once(risk_area, scores, errors) == pytest.approx(np.mean(risks), abs=1e-12)
    assert once(accuracy_at, scores, errors, coverage=0.6) == pytest.approx(
        np.mean(kept), abs=1e-12
    )


def test_false_alarms_are_the_known_rows_above_the_last_novel_one_needed():
    novelty = [9, 8, 7, 6, 5, 4]
    assert once(false_alarms, novelty, [1, 0, 1, 0, 0, 1]) == 1
    assert once(false_alarms, novelty, [1, 0, 1, 0, 0, 1], found=0.6) == pytest.approx(1 / 3)
    assert once(false_alarms, novelty, [1, 1, 1, 0, 0, 0]) == 0
    assert once(false_alarms, [1] * 6, [1, 0, 1, 0, 0, 1]) == pytest.approx(0.95, abs=1e-12)


@pytest.mark.parametrize("formula", [risk_area, accuracy_at, false_alarms])
def test_weighting_a_group_repeats_its_rows(formula):
    rng = np.random.default_rng(0)
    scores, values = rng.integers(0, 9, 40).astype(float), rng.integers(0, 2, 40).astype(float)
    index, weights = rng.permutation(np.arange(40) % 8), rng.integers(0, 4, (5, 8))
    more = {"coverage": 0.8} if formula is accuracy_at else {}
    ours, _ = formula(scores, values, index, **more)(weights)
    for value, weight in zip(ours, weights, strict=True):
        many = weight[index]
        expected = once(formula, np.repeat(scores, many), np.repeat(values, many), **more)
        assert value == pytest.approx(expected, abs=1e-12)
