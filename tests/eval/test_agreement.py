"""Agreement of clusters with classes: undefined cases, known answers and scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from eval.agreement import agreement, expected_nmi

THEIRS = {
    "ami": metrics.adjusted_mutual_info_score,
    "nmi": metrics.normalized_mutual_info_score,
    "ari": metrics.adjusted_rand_score,
}


def once(kind, classes, clusters):
    index = np.arange(len(classes))
    statistic = agreement(kind, np.asarray(classes), np.asarray(clusters), index=index)
    return float(statistic(np.ones((1, len(classes))))[0][0])


@pytest.mark.parametrize("kind", THEIRS)
def test_a_single_class_is_not_defined(kind):
    assert np.isnan(once(kind, [1, 1, 1], [0, 1, 2]))


@pytest.mark.parametrize("kind", THEIRS)
def test_one_cluster_of_all_is_chance(kind):
    assert once(kind, [0, 0, 1, 1, 2], [3] * 5) == pytest.approx(0, abs=1e-15)


def test_the_worked_example():
    classes, clusters = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 2]
    assert once("ami", classes, clusters) == pytest.approx(0.41182763103317405, abs=1e-14)
    assert once("ari", classes, clusters) == pytest.approx(7 / 22, abs=1e-15)
    assert once("ami", classes, classes) == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("kind", THEIRS)
@pytest.mark.parametrize(("n", "c", "k"), [(50, 3, 4), (400, 60, 45), (900, 7, 200), (30, 30, 30)])
def test_scikit_learn_agrees(kind, n, c, k):
    rng = np.random.default_rng(n)
    classes = rng.integers(0, c, n)
    clusters = np.where(rng.random(n) < 0.5, classes, rng.integers(0, k, n))
    assert once(kind, classes, clusters) == pytest.approx(
        THEIRS[kind](classes, clusters), abs=1e-12
    )


@pytest.mark.parametrize("kind", THEIRS)
def test_weighting_a_group_repeats_its_rows(kind):
    rng = np.random.default_rng(1)
    classes, clusters = rng.integers(0, 4, 60), rng.integers(0, 5, 60)
    index, weights = rng.integers(0, 12, 60), rng.integers(0, 4, (3, 12))
    values, whole = agreement(kind, classes, clusters, index=index)(weights)
    for value, weight, alive in zip(values, weights, whole, strict=True):
        many = weight[index]
        repeated = np.repeat(classes, many), np.repeat(clusters, many)
        assert value == pytest.approx(THEIRS[kind](*repeated), abs=1e-12)
        assert alive == (len(set(repeated[0])) == 4)


def test_expected_nmi_is_what_shuffled_clusters_have():
    rng = np.random.default_rng(0)
    classes, clusters = rng.integers(0, 5, 80), rng.integers(0, 9, 80)
    draws = [once("nmi", classes, rng.permutation(clusters)) for _ in range(400)]
    error = np.std(draws) / np.sqrt(len(draws))
    assert expected_nmi(classes, clusters) == pytest.approx(np.mean(draws), abs=4 * error)
