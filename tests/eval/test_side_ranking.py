"""Ranking by a score of sides: against cosine ranking, against brute force, in any tiles."""

from dataclasses import replace

import numpy as np
import pytest
from example_space import unit

from eval.ranking import Problem, rank
from eval.scores import score, side_score
from eval.scores.scorer import Scorer
from eval.side_ranking import SideProblem, rank_sides
from eval.sides import Items
from eval.space import Vectors
from workbench.errors import Failure


def make_items(count, *, seed, name, tokens=4, width=8):
    """Items with one to all tokens real; tokens 0: none are stored."""
    rng = np.random.default_rng(seed)
    values = unit(rng.standard_normal((count, width)))
    vectors = Vectors(tuple(f"{name}{i:03d}" for i in range(count)), values)
    if tokens:
        stored = rng.standard_normal((count, tokens, width))
        stored /= np.linalg.norm(stored, axis=-1, keepdims=True)
        valid = np.arange(tokens) < rng.integers(1, tokens + 1, (count, 1))
        vectors = replace(vectors, tokens=stored.astype(np.float16), token_valid=valid)
    return Items({name: (vectors, np.arange(count))}, tokens=bool(tokens))


def make_problem(seed=0, *, most=3, name="late", tokens=4, copies=False):
    rng = np.random.default_rng(seed)
    query, gallery = (
        make_items(n, seed=seed + s, name=m, tokens=tokens)
        for s, (n, m) in enumerate(((20, "a"), (50, "b")))
    )
    if copies:
        gallery = gallery[np.arange(50) % 25]
    pick = lambda count: np.sort(rng.choice(50, count, replace=False))  # noqa: E731
    positives = [pick(rng.integers(0, most + 1)) for _ in range(20)]
    hidden = [np.setdiff1d(pick(4), p) for p in positives]
    return SideProblem(Scorer(side_score(name, 8)), query, gallery, positives, hidden, 5)


def flatten(parts):
    found = {}
    for part in parts:
        for place, number in enumerate(part.numbers):
            mine = part.ranking.query == place
            lines = np.stack([part.ranking.above, part.ranking.tied, part.ranking.positives], 1)
            found[int(number)] = (
                lines[mine].tolist(), part.best[place].tolist(),
                part.scores[place].tolist(), int(part.ranking.size[place]),
            )  # fmt: skip
    return found


def by_hand(problem):
    """Scores of every pair, one pair at a time, in float64."""
    sides = [items.side() for items in (problem.query, problem.gallery)]
    tokens, valid = ([next(iter(getattr(s, part).values())).numpy() for s in sides]
                     for part in ("tokens", "token_valid"))  # fmt: skip
    table = np.empty((len(problem.query), len(problem.gallery)))
    for i, j in np.ndindex(table.shape):
        q, d = (
            t[n][v[n]].astype(np.float64) for t, v, n in zip(tokens, valid, (i, j), strict=True)
        )
        q, d = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (q, d))
        table[i, j] = (q @ d.T).max(axis=1).mean()
    return table


@pytest.mark.parametrize("copies", [False, True])
def test_late_interaction_equals_brute_force(copies):
    problem = make_problem(copies=copies)
    table = np.round(by_hand(problem), 6)
    found = flatten(rank_sides(problem))
    assert sorted(found) == list(range(20))
    for i, (blocks, best, scores, size) in found.items():
        seen = np.setdiff1d(np.arange(50), problem.excluded[i])
        mine, others = table[i][problem.positives[i]], table[i][seen]
        assert blocks == [
            [int((others > s).sum()), int((others == s).sum()), int((mine == s).sum())]
            for s in np.unique(mine)[::-1]
        ]
        assert best == seen[np.lexsort((seen, -others))][:5].tolist()
        np.testing.assert_allclose(scores, table[i][best], atol=2e-6)
        assert size == len(seen)


@pytest.mark.parametrize("name", ["late", "segment_attention", "mil_nce"])
def test_items_without_tokens_rank_as_cosine_does(name):
    problem = make_problem(tokens=0, name=name)
    rule = score("cosine")
    query, gallery = (
        next(iter(i.parts.values()))[0].values for i in (problem.query, problem.gallery)
    )
    plain = Problem(
        rule, rule.prepare(query), rule.prepare(gallery), problem.positives, problem.excluded, 5
    )
    expected, found = flatten(rank(plain)), flatten(rank_sides(problem))
    for number, (blocks, best, scores, size) in expected.items():
        assert found[number][0] == blocks
        assert found[number][1] == best
        np.testing.assert_allclose(found[number][2], scores, atol=2e-6)
        assert found[number][3] == size


@pytest.mark.parametrize("name", ["late", "segment_attention", "mil_nce", "volume"])
def test_tile_sizes_change_nothing(name):
    problem = make_problem(3, name=name, copies=True)
    whole = flatten(rank_sides(problem))
    assert whole == flatten(rank_sides(problem, query_tile=3, gallery_tile=7))


def test_equal_items_tie_whatever_the_score():
    problem = make_problem(name="volume", most=1)
    same = problem.query[np.zeros(20, dtype=np.int64)]
    gallery = problem.gallery[np.zeros(50, dtype=np.int64)]
    hidden = [np.zeros(0, dtype=np.int64)] * 20
    for part in rank_sides(replace(problem, query=same, gallery=gallery, excluded=hidden)):
        assert set(part.ranking.above.tolist()) <= {0}
        assert set(part.ranking.tied.tolist()) <= {50}


def test_a_score_that_is_not_finite_is_refused():
    problem = make_problem()
    vectors, at = problem.gallery.parts["b"]
    tokens = vectors.tokens.copy()
    tokens[3, 0] = np.nan
    broken = Items({"b": (replace(vectors, tokens=tokens), at)}, tokens=True)
    with pytest.raises(Failure, match="not finite"):
        list(rank_sides(replace(problem, gallery=broken)))


def test_a_gallery_shorter_than_the_list_of_best_items_is_padded():
    problem = make_problem()
    none = np.zeros(0, dtype=np.int64)
    short = replace(
        problem, gallery=problem.gallery[np.arange(3)], positives=[np.array([1])] * 20,
        excluded=[np.array([0]), *[none] * 19],
    )  # fmt: skip
    found = flatten(rank_sides(short))
    assert sorted(found[0][1][:2]) == [1, 2]
    assert found[0][1][2:] == [-1, -1, -1]
    assert found[1][1][3:] == [-1, -1]


def test_memory_does_not_grow_with_the_gallery_beyond_its_ranks():
    import tracemalloc

    peaks = []
    for count in (2_000, 20_000):
        query = make_items(8, seed=0, name="a")
        gallery = make_items(count, seed=1, name="b")
        one = [np.array([i]) for i in range(8)]
        none = [np.zeros(0, dtype=np.int64)] * 8
        problem = SideProblem(Scorer(side_score("late", 8)), query, gallery, one, none, 5)
        tracemalloc.start()
        list(rank_sides(problem, gallery_tile=512))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 18_000 < 8 * (2 * 8 + 60)
