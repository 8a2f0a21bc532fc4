"""Principal components: their variance and sign, against scikit-learn."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from eval.reduction import has_umap, principal, umap


@pytest.mark.parametrize(("n", "width"), [(80, 12), (9, 40)])
def test_components_are_those_of_scikit_learn(n, width):
    points = np.random.default_rng(n).standard_normal((n, width)) * np.arange(1, width + 1)
    ours = principal(points, 5)
    theirs = PCA(5, svd_solver="full").fit_transform(points)
    assert np.abs(ours) == pytest.approx(np.abs(theirs), abs=1e-9)


def test_the_largest_loading_is_positive():
    axis = np.array([[-3.0, 1.0]])
    points = np.linspace(-1, 1, 11)[:, None] * axis
    found = principal(points, 1)[:, 0]
    assert found[0] == pytest.approx(np.hypot(3, 1), abs=1e-12)
    assert principal(-points, 1)[:, 0] == pytest.approx(-found, abs=1e-12)


def test_fewer_columns_than_asked_for_are_all_kept():
    points = np.random.default_rng(0).standard_normal((20, 3))
    found = principal(points, 50)
    assert found.shape == (20, 3)
    assert (found**2).sum() == pytest.approx(((points - points.mean(0)) ** 2).sum(), abs=1e-9)


@pytest.mark.skipif(not has_umap(), reason="umap-learn is an extra")
def test_umap_has_the_width_asked_for():
    assert umap(np.random.default_rng(0).standard_normal((60, 8)), 2).shape == (60, 2)
