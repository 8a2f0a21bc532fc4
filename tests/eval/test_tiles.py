"""Scores above marks, found and counted, against looking at each."""

import numpy as np
import pytest
import torch

from eval.tiles import count_above, find_above, lying


def tile(shape, *, sideways, seed=0):
    rng = np.random.default_rng(seed)
    table = torch.from_numpy(np.round(rng.standard_normal(shape), 1).astype(np.float32))
    return table.T.contiguous().T if sideways else table


def test_more_than_wished_for_are_not_listed():
    table = torch.ones(4, 10)
    assert find_above(table, np.zeros(4, np.float32), most=0.9) is None
    found = find_above(table, np.array([0, 1, 1, 1], np.float32), most=0.25)
    assert [part.tolist() for part in found] == [[0] * 10, list(range(10))]


@pytest.mark.parametrize("shape", [(0, 5), (3, 0)])
def test_an_empty_tile_holds_nothing(shape):
    table, marks = torch.zeros(shape), np.zeros(shape[0], np.float32)
    assert [len(part) for part in find_above(table, marks, most=0)] == [0, 0]
    assert count_above(table, marks).tolist() == [0] * shape[0]


@pytest.mark.parametrize("sideways", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (16, 24), (300, 8), (8, 1200), (515, 1030)])
def test_scores_equal_to_the_mark_do_not_exceed_it(shape, sideways):
    table = tile(shape, sideways=sideways)
    marks = np.round(np.linspace(-1, 2, shape[0]), 1).astype(np.float32)
    marks[0] = np.inf
    expected = table.numpy() > marks[:, None]
    assert count_above(table, marks).tolist() == expected.sum(axis=1).tolist()
    rows, columns = find_above(table, marks, most=1)
    assert (np.diff(rows) >= 0).all()
    found = np.zeros(shape, dtype=bool)
    found[rows, columns] = True
    assert len(rows) == expected.sum()
    assert np.array_equal(found, expected)


def test_a_tile_turned_round_is_read_as_it_lies():
    table = tile((5, 3), sideways=True)
    scores, sideways = lying(table)
    assert sideways
    assert scores.flags.c_contiguous
    assert np.shares_memory(scores, table.numpy())
    assert np.array_equal(scores.T, table.numpy())
