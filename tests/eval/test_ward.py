"""Ward's clustering: equal points, known partitions, and the partition of scikit-learn."""

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from eval.ward import ward


def test_equal_points_are_never_parted():
    points = np.repeat(np.array([[0.0, 0.0], [3.0, 0.0]]), 5, axis=0)
    assert ward(points, 4).tolist() == [0] * 5 + [1] * 5
    assert ward(np.ones((6, 2)), 3).tolist() == [0] * 6


def test_as_many_clusters_as_points_and_one():
    points = np.arange(5.0)[:, None]
    assert ward(points, 5).tolist() == [0, 1, 2, 3, 4]
    assert ward(points, 1).tolist() == [0] * 5


def test_a_heavy_pair_outweighs_a_near_one():
    points = np.array([[0.0], [1.0], [1.0], [1.0], [1.9], [9.0]])
    assert ward(points, 3).tolist() == [0, 1, 1, 1, 1, 2]
    assert ward(points[[0, 1, 4, 5]], 3).tolist() == [0, 1, 1, 2]
    assert ward(np.array([[0.0], [1.0], [1.0], [1.0], [-1.1]]), 2).tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize(("n", "width", "clusters"), [(30, 2, 4), (200, 8, 13), (500, 50, 100)])
def test_scikit_learn_finds_the_same_partition(n, width, clusters):
    rng = np.random.default_rng(n)
    points = (
        rng.standard_normal((n, width)) + 2 * rng.standard_normal((9, width))[rng.integers(0, 9, n)]
    )
    theirs = AgglomerativeClustering(clusters, linkage="ward").fit_predict(points)
    assert adjusted_rand_score(theirs, ward(points, clusters)) == 1


def test_copies_weigh_as_scikit_learn_weighs_them():
    rng = np.random.default_rng(3)
    points = rng.standard_normal((60, 3))[rng.integers(0, 60, 300)]
    theirs = AgglomerativeClustering(10, linkage="ward").fit_predict(points)
    assert adjusted_rand_score(theirs, ward(points, 10)) == 1
