"""The running list of best items against sorting everything."""

import numpy as np
import pytest
import torch

from eval.best import Best
from eval.scores import score

COSINE = score("cosine")
NONE = np.zeros(0, dtype=np.int64)


def listed(query, items, excluded, top, *, tile, sideways=False):
    best = Best(query, excluded, top)
    for start in range(0, len(items), tile):
        table = torch.from_numpy(query) @ torch.from_numpy(items[start : start + tile]).T
        best.add(table.T.contiguous().T if sideways else table, start)
    return best.finish(COSINE, items)


def test_a_list_of_nothing_is_empty():
    query = COSINE.prepare(np.eye(3))
    items, scores = listed(query, query, [NONE] * 3, 0, tile=2)
    assert items.shape == scores.shape == (3, 0)


@pytest.mark.parametrize("sideways", [False, True])
@pytest.mark.parametrize(("tile", "top"), [(50, 4), (64, 10), (7, 3), (400, 30), (400, 390)])
def test_the_best_are_those_of_the_whole_table(tile, top, sideways):
    rng = np.random.default_rng(tile)
    query, items = (COSINE.prepare(rng.standard_normal((n, 12))) for n in (20, 400))
    excluded = [np.sort(rng.choice(400, 15, replace=False)) for _ in range(20)]
    found, scores = listed(query, items, excluded, top, tile=tile, sideways=sideways)
    for i in range(20):
        exact = COSINE.exact(np.repeat(query[[i]], 400, axis=0), items)
        seen = np.setdiff1d(np.arange(400), excluded[i])
        order = seen[np.lexsort((seen, -exact[seen]))][:top]
        assert found[i][: len(order)].tolist() == order.tolist()
        assert scores[i][: len(order)].tolist() == exact[order].tolist()
        assert (found[i][len(order) :] == -1).all()


def test_a_query_that_may_see_nothing_lists_nothing():
    query = COSINE.prepare(np.eye(4))
    found, scores = listed(query, query, [np.arange(4), NONE, NONE, NONE], 2, tile=4)
    assert found[0].tolist() == [-1, -1]
    assert np.isnan(scores[0]).all()
    assert found[1][0] == 1
