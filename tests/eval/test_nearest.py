"""Nearest keys in blocks of equal scores: against a full sort, however deep a list must go."""

import numpy as np
import pytest

from eval.nearest import key_space, nearest
from eval.scores import Cosine
from workbench.errors import Failure


def everything(query, vectors, settled, least=3):
    """Per query: (score, sorted key numbers) of every whole block listed."""
    keys = key_space(vectors)
    members, starts = keys.members
    found = {}
    for near in nearest(query, keys, settled, least=least):
        for line, number in enumerate(near.numbers):
            blocks = {}
            for place, entry in enumerate(near.entries[line]):
                if near.complete[line, near.block[line, place]]:
                    mine = members[starts[entry] : starts[entry + 1]].tolist()
                    blocks.setdefault(float(near.scores[line, place]), []).extend(mine)
            assert number not in found
            found[int(number)] = [(score, sorted(items)) for score, items in blocks.items()]
    return found


def sorted_through(query, vectors):
    """The same by sorting the whole row of exact scores."""
    rule = Cosine()
    left, right = rule.prepare(query), rule.prepare(vectors)
    found = {}
    for number, one in enumerate(left):
        scores = rule.exact(np.repeat(one[None], len(right), axis=0), right)
        found[number] = [
            (float(s), np.flatnonzero(scores == s).tolist()) for s in np.unique(scores)[::-1]
        ]
    return found


def test_a_vector_that_is_not_finite_is_a_failure():
    keys = key_space(np.full((3, 2), np.nan, dtype=np.float32))
    with pytest.raises(Failure, match="not finite"):
        list(nearest(np.ones((1, 2), np.float32), keys, lambda near: near.enough() > 0, least=1))


@pytest.mark.parametrize("levels", [3, 40, 1000])
def test_blocks_equal_a_full_sort(levels):
    rng = np.random.default_rng(levels)
    vectors = rng.standard_normal((levels, 6)).astype(np.float32)[rng.integers(levels, size=900)]
    query = rng.standard_normal((17, 6)).astype(np.float32)
    found = everything(query, vectors, lambda near: near.enough() >= 5)
    expected = sorted_through(query, vectors)
    assert sorted(found) == list(range(17))
    for number, blocks in found.items():
        assert blocks == expected[number][: len(blocks)]
        assert sum(len(items) for _, items in blocks) >= 5


def test_a_list_goes_on_until_the_question_is_settled():
    rng = np.random.default_rng(0)
    vectors, query = (rng.standard_normal((n, 5)).astype(np.float32) for n in (400, 6))
    found = everything(query, vectors, lambda near: near.enough() >= 390)
    assert found == sorted_through(query, vectors)


def test_different_vectors_with_one_score_are_one_block():
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    ring = np.stack([np.zeros(64), np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    ring = np.concatenate([ring, [[1, 0, 0]]]).astype(np.float32)
    query = np.array([[1, 0, 0]], dtype=np.float32)
    ((best, rest),) = everything(query, ring, lambda near: near.enough() >= 5).values()
    assert best == (1.0, [64])
    assert rest == (0.0, list(range(64)))
