"""Shape of vectors: known answers, brute force, and what is not defined."""

import numpy as np
import pytest
from scipy.stats import skew

from eval import shape

THREE = np.array([[1.0, 0], [0, 1], [-1, 0]])


def cloud(n=40, width=6, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, width)) + 0.3
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_one_item_or_none_has_no_spread():
    for n in (0, 1):
        assert shape.uniformity(THREE[:n], 1) is None
        assert shape.anisotropy(THREE[:n]) is None
    assert shape.effective_rank(np.zeros(3)) is None
    assert shape.explained(np.zeros(3), 2) is None
    assert shape.skewness(np.full(5, 2.0)) is None
    assert shape.skewness(np.zeros(0)) is None


def test_known_answers():
    assert shape.effective_rank(np.array([4.0, 1, 1])) == pytest.approx(2 * np.sqrt(2), abs=1e-12)
    assert shape.uniformity(THREE, 1) == pytest.approx(-4.396349, abs=1e-6)
    assert shape.explained(np.array([4.0, 1, 1]), 1) == pytest.approx(2 / 3, abs=1e-12)
    assert shape.modality_gap(THREE, -THREE) == pytest.approx(2 / 3, abs=1e-12)
    assert shape.alignment(THREE, -THREE).tolist() == [4, 4, 4]


def test_pairs_agree_with_a_loop():
    x = cloud()
    i, j = np.triu_indices(40, 1)
    cosines = (x[i] * x[j]).sum(1)
    assert shape.anisotropy(x) == pytest.approx(cosines.mean(), abs=1e-12)
    kernel = np.exp(-2 * ((x[i] - x[j]) ** 2).sum(1))
    assert shape.uniformity(x, 1) == pytest.approx(np.log(kernel.mean()), abs=1e-12)


def test_seeded_pairs_come_near_all_pairs(monkeypatch):
    x = cloud(300)
    exact = shape.uniformity(x, 1)
    monkeypatch.setattr(shape, "EXACT_ITEMS", 10)
    monkeypatch.setattr(shape, "PAIRS", 100_000)
    drawn = shape.uniformity(x, 1)
    assert drawn == pytest.approx(exact, abs=0.02)
    assert drawn == shape.uniformity(x, 1) != shape.uniformity(x, 2)


def test_the_spectrum_is_that_of_the_centred_matrix(monkeypatch):
    monkeypatch.setattr(shape, "BLOCK", 64)
    x = cloud()
    expected = np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2
    assert shape.spectrum(x) == pytest.approx(expected, abs=1e-10)


def test_equal_vectors_have_rank_nothing():
    assert shape.effective_rank(shape.spectrum(np.tile(cloud(1), (50, 1)))) is None


@pytest.mark.parametrize("same", [True, False])
def test_occurrences_agree_with_sorting(same, monkeypatch):
    monkeypatch.setattr(shape, "BLOCK", 200)
    x = cloud(40, seed=1)
    y = x if same else cloud(30, seed=2)
    table = x @ y.T
    if same:
        np.fill_diagonal(table, -np.inf)
    nearest = np.argsort(-table, axis=1)[:, :5]
    expected = np.bincount(nearest.reshape(-1), minlength=len(y))
    found = shape.occurrences(x, y, 5, same=same)
    assert found == pytest.approx(expected, abs=1e-12)
    assert shape.skewness(found) == pytest.approx(skew(expected), abs=1e-12)


def test_ties_share_places_so_that_no_order_makes_a_hub():
    equal = np.tile(cloud(1), (30, 1))
    assert shape.occurrences(equal, equal, 10, same=True) == pytest.approx(np.full(30, 10.0))


def test_turning_all_vectors_changes_nothing():
    x, y = cloud(seed=1), cloud(seed=2)
    turn, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((6, 6)))
    for rule in (shape.anisotropy, lambda v: shape.uniformity(v, 1),
                 lambda v: shape.effective_rank(shape.spectrum(v))):  # fmt: skip
        assert rule(x @ turn) == pytest.approx(rule(x), abs=1e-10)
    assert shape.modality_gap(x @ turn, y @ turn) == pytest.approx(shape.modality_gap(x, y))
