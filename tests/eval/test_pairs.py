"""Exact scores of listed pairs: the same whatever the list, copies or not."""

import numpy as np
import pytest

from eval.pairs import DENSE, exact_pairs, pairs_of, within
from eval.scores import score

COSINE, RNG = score("cosine"), np.random.default_rng(0)


def test_no_pair_gives_no_score():
    nothing = np.zeros((0, 2), dtype=np.int64)
    assert exact_pairs(COSINE, np.ones((2, 3)), np.ones((2, 3)), pairs=nothing).shape == (0,)


@pytest.mark.parametrize("copies", [1, 40])
def test_many_pairs_score_as_each_alone(copies):
    query = np.tile(COSINE.prepare(RNG.standard_normal((80 // copies, 16))), (copies, 1))
    items = np.tile(COSINE.prepare(RNG.standard_normal((120 // copies, 16))), (copies, 1))
    pairs = np.indices((len(query), len(items))).reshape(2, -1).T
    assert len(pairs) > DENSE
    found = exact_pairs(COSINE, query, items, pairs=pairs)
    alone = [COSINE.exact(query[[i]], items[[j]])[0] for i, j in pairs]
    assert found.tolist() == alone


def test_lists_become_pairs_and_pairs_are_cut_to_a_tile():
    pairs = pairs_of([np.array([3, 9]), np.array([], dtype=np.int64), np.array([4])])
    assert pairs.tolist() == [[0, 3], [0, 9], [2, 4]]
    assert within(pairs, 4, 5).tolist() == [[2, 0]]
    assert within(pairs, 3, 2).tolist() == [[0, 0], [2, 1]]
