"""MinHash: the share of equal keys follows the similarity, and short sequences have pieces too."""

import numpy as np
import pytest

from modalities.minhash import BANDS, jaccard, minhash_keys, shingles


def test_nothing_has_no_pieces_and_is_like_nothing():
    assert len(shingles(np.zeros(0, np.int64), 3)) == 0
    assert jaccard(shingles(np.zeros(0, np.int64), 3), shingles(np.arange(5), 3)) == 0
    assert minhash_keys(np.zeros(0, np.uint64)).tolist() == [0] * BANDS


def test_a_sequence_shorter_than_a_run_is_one_piece():
    assert len(shingles(np.array([4, 5]), 3)) == 1
    assert shingles(np.array([4, 5]), 3) != shingles(np.array([5, 4]), 3)


def test_pieces_are_runs_whatever_their_place():
    a, b = np.array([1, 2, 3, 4]), np.array([9, 1, 2, 3])
    assert jaccard(shingles(a, 3), shingles(b, 3)) == pytest.approx(1 / 3)


def test_a_repeated_run_counts_once():
    assert len(shingles(np.array([7, 7, 7, 7, 7]), 3)) == 1


@pytest.mark.parametrize("common", [180, 100])
def test_a_key_is_shared_with_the_fourth_power_of_the_similarity(common):
    """Similarity 180/220: 0.45 of four values at once; 100/300: 0.012."""
    rng = np.random.default_rng(0)
    equal = []
    for _ in range(40):
        pieces = rng.integers(0, 2**63, 400 - common, dtype=np.uint64)
        a, b = pieces[:200], np.concatenate([pieces[:common], pieces[200:]])
        equal.append((minhash_keys(a) == minhash_keys(b)).mean())
    expected = (common / (400 - common)) ** 4
    assert np.mean(equal) == pytest.approx(expected, abs=0.05)


def test_the_order_of_pieces_changes_nothing():
    pieces = np.random.default_rng(1).integers(0, 2**63, 3000, dtype=np.uint64)
    assert (minhash_keys(pieces) == minhash_keys(pieces[::-1])).all()
