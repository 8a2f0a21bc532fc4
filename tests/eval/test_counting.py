"""Counting by tiles against counting one by one, in every way that a tile may be counted."""

import numpy as np
import pytest
import torch

from eval import counting
from eval.counting import Counter
from eval.scores import score

COSINE = score("cosine")
NONE = np.zeros(0, dtype=np.int64)


def make(seed, positives, *, near=0.0, width=8):
    """Queries and items; `near` draws items together until float32 cannot tell them apart."""
    rng = np.random.default_rng(seed)
    query, items = rng.standard_normal((30, width)), rng.standard_normal((160, width))
    if near:
        items = items[:5][rng.integers(0, 5, 160)] + near * items
    lists = [np.sort(rng.choice(160, rng.integers(0, positives + 1), False)) for _ in range(30)]
    hidden = [np.setdiff1d(rng.choice(160, 6, False), mine) for mine in lists]
    return COSINE.prepare(query), COSINE.prepare(items), lists, hidden


def counted(query, items, lists, hidden, *, tile=64, sideways=False):
    counter = Counter(COSINE, query, items, positives=lists, excluded=hidden)
    for start in range(0, len(items), tile):
        part = items[start : start + tile]
        table = torch.from_numpy(query) @ torch.from_numpy(part).T
        if sideways:
            table = table.T.contiguous().T
        before = table.clone()
        counter.add(table, start, part)
        assert torch.equal(table, before)
    found = counter.finish()
    return [tuple(map(int, row)) for row in zip(found.query, found.above, found.tied,
                                                found.positives, strict=True)]  # fmt: skip


def one_by_one(query, items, lists, hidden):
    found = []
    for i, (mine, gone) in enumerate(zip(lists, hidden, strict=True)):
        exact = COSINE.exact(np.repeat(query[[i]], len(items), axis=0), items)
        seen = np.setdiff1d(np.arange(len(items)), gone)
        for level in np.unique(exact[mine])[::-1]:
            counts = (exact[seen] > level).sum(), (exact[seen] == level).sum()
            found.append((i, *map(int, counts), int((exact[mine] == level).sum())))
    return found


def test_queries_without_a_positive_have_no_block():
    query, items, lists, hidden = make(0, 3)
    assert counted(query, items, [NONE] * len(lists), hidden) == []


@pytest.mark.parametrize("sideways", [False, True])
@pytest.mark.parametrize("near", [0.0, 1e-7, 1e-5])
@pytest.mark.parametrize("positives", [1, 2, 25])
def test_counts_equal_counting_one_by_one(positives, near, sideways):
    given = make(positives, positives, near=near)
    assert counted(*given, sideways=sideways) == one_by_one(*given)


@pytest.mark.parametrize("few", [0, 1])
@pytest.mark.parametrize("near", [0.0, 1e-5])
def test_looking_up_and_sorting_agree(monkeypatch, few, near):
    monkeypatch.setattr(counting, "FEW", few)
    given = make(5, 20, near=near)
    assert counted(*given, tile=37) == one_by_one(*given)


def test_every_item_tied_with_every_positive():
    query = COSINE.prepare(np.ones((4, 5)))
    items = COSINE.prepare(np.ones((90, 5)))
    lists = [np.array([0]), np.arange(3), np.arange(90), NONE]
    found = counted(query, items, lists, [NONE, NONE, NONE, np.arange(90)], tile=16)
    assert found == [(0, 0, 90, 1), (1, 0, 90, 3), (2, 0, 90, 90)]


def test_the_window_is_wider_than_any_float32_error():
    exact = np.array([0.3, 1.0])
    for width in (1, 64, 512, 4096):
        slack = COSINE.slack(width)
        window = counting._window(slack, exact)
        assert slack < window < 2.2 * slack + 1e-6
        assert np.log2(window) == round(np.log2(window))
