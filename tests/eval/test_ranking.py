"""Blocked counting against a full score matrix."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eval import ties
from eval.ranking import Problem, mirrored, rank, rank_both
from eval.scores import score
from workbench.errors import Failure

NONE = np.zeros(0, dtype=np.int64)


def make_problem(seed, *, most_positives, copies=False, excluded=0, top=5):
    rng = np.random.default_rng(seed)
    rule = score("cosine")
    query = rule.prepare(rng.standard_normal((40, 8)))
    gallery = rule.prepare(rng.standard_normal((90, 8)))
    if copies:
        gallery[45:] = gallery[:45]
    pick = lambda count: np.sort(rng.choice(90, count, replace=False))  # noqa: E731
    positives = [pick(rng.integers(0, most_positives + 1)) for _ in range(40)]
    hidden = [np.setdiff1d(pick(excluded), p) for p in positives]
    return Problem(rule, query, gallery, positives, hidden, top)


def flatten(problem, **tiles):
    """Blocks and best items of every query, by query number."""
    return by_query(rank(problem, **tiles))


def by_query(parts):
    found = {}
    for part in parts:
        for place, number in enumerate(part.numbers):
            mine = part.ranking.query == place
            columns = (part.ranking.above, part.ranking.tied, part.ranking.positives)
            found[int(number)] = (
                [tuple(map(int, row)) for row in np.stack(columns, 1)[mine]],
                part.best[place].tolist(),
                part.scores[place].tolist(),
                int(part.ranking.size[place]),
            )
    return found


@pytest.mark.parametrize(
    ("most", "copies", "excluded"), [(1, False, 0), (1, True, 4), (5, True, 6), (40, False, 3)]
)
def test_counts_equal_the_full_matrix(most, copies, excluded):
    problem = make_problem(most, most_positives=most, copies=copies, excluded=excluded)
    table = np.round(problem.query.astype(float) @ problem.gallery.astype(float).T, 12)
    found = flatten(problem, query_tile=7, gallery_tile=13)
    assert sorted(found) == list(range(40))
    for i, (blocks, best, _, size) in found.items():
        seen = np.setdiff1d(np.arange(90), problem.excluded[i])
        mine, others = table[i][problem.positives[i]], table[i][seen]
        levels = np.unique(mine)[::-1]
        assert blocks == [
            (int((others > s).sum()), int((others == s).sum()), int((mine == s).sum()))
            for s in levels
        ]
        assert best == seen[np.lexsort((seen, -others))][:5].tolist()
        assert size == len(seen)


@pytest.mark.parametrize("most", [1, 12])
def test_tile_sizes_change_no_bit(most):
    problem = make_problem(9, most_positives=most, copies=True, excluded=3)
    assert flatten(problem) == flatten(problem, query_tile=3, gallery_tile=11)


@pytest.mark.parametrize("most", [1, 12])
def test_the_number_of_threads_changes_no_bit(most):
    forward = make_problem(4, most_positives=most, copies=True, excluded=3)
    before, found = torch.get_num_threads(), []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        found.append([by_query(part) for part in rank_both(forward, turned(forward))])
    torch.set_num_threads(before)
    assert found[0] == found[1]


@pytest.mark.parametrize("metric", [ties.hit, ties.ndcg, ties.mrr])
def test_an_item_below_every_positive_changes_nothing(metric):
    problem = make_problem(6, most_positives=4)
    rule, far = problem.score, -problem.query.sum(axis=0)
    apart = replace(problem, query=rule.prepare(problem.query - 9 * far / np.linalg.norm(far)))
    longer = replace(apart, gallery=np.concatenate([apart.gallery, rule.prepare(far[None])]))
    values = []
    for one in (apart, longer):
        (part,) = rank(one)
        values.append(metric(part.ranking, *([] if metric is ties.mrr else [5])))
    assert (part.ranking.above < len(apart.gallery)).all()
    assert np.array_equal(values[0], values[1], equal_nan=True)
    assert np.isfinite(values[0]).sum() > 20


def test_scores_that_differ_by_less_than_float32_are_told_apart():
    width = 4
    query = np.zeros((1, width), dtype=np.float32)
    query[0, :2] = [0.6, 0.8]
    gallery = np.tile(query, (3, 1))
    gallery[1, 2] = 1e-9
    gallery[1, 1] = np.nextafter(np.float32(0.8), np.float32(1))
    rule = score("cosine")
    problem = Problem(rule, query, gallery, [np.array([0])], [NONE], 3)
    (part,) = rank(problem)
    assert part.ranking.above.tolist() == [1]
    assert part.ranking.tied.tolist() == [2]


def test_a_constant_encoder_ties_everything():
    rule = score("cosine")
    same = rule.prepare(np.ones((300, 16)))
    problem = Problem(rule, same, same, [np.array([i]) for i in range(300)], [NONE] * 300, 4)
    for part in rank(problem, query_tile=128, gallery_tile=64):
        assert set(part.ranking.above.tolist()) == {0}
        assert set(part.ranking.tied.tolist()) == {300}


def test_a_gallery_shorter_than_the_list_of_best_items_is_padded():
    rule = score("cosine")
    eye = rule.prepare(np.eye(3))
    (part,) = rank(Problem(rule, eye, eye, [np.array([i]) for i in range(3)], [NONE] * 3, 5))
    assert part.best[:, :1].ravel().tolist() == [0, 1, 2]
    assert (part.best[:, 3:] == -1).all()
    assert np.isnan(part.scores[:, 3:]).all()


def test_memory_does_not_grow_with_the_gallery():
    import tracemalloc

    rule, rng = score("cosine"), np.random.default_rng(0)
    query = rule.prepare(rng.standard_normal((64, 8)))
    gallery = rule.prepare(rng.standard_normal((60_000, 8)))
    peaks = []
    for size in (6_000, 60_000):
        part = gallery[:size]
        problem = Problem(rule, query, part, [np.array([i]) for i in range(64)], [NONE] * 64, 5)
        tracemalloc.start()
        list(rank(problem, gallery_tile=2048))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0] + 50_000


def turned(problem):
    """The same pairs asked the other way round."""
    lists = [
        [np.flatnonzero([j in one for one in given]) for j in range(len(problem.gallery))]
        for given in (problem.positives, problem.excluded)
    ]
    return Problem(problem.score, problem.gallery, problem.query, *lists, problem.top)


@pytest.mark.parametrize(
    ("most", "copies", "excluded"), [(1, False, 0), (1, True, 4), (6, True, 5), (30, False, 3)]
)
def test_both_directions_at_once_equal_each_alone(most, copies, excluded):
    forward = make_problem(most, most_positives=most, copies=copies, excluded=excluded)
    backward = turned(forward)
    assert mirrored(forward, backward)
    found = rank_both(forward, backward, query_tile=3, gallery_tile=32)
    assert by_query(found[0]) == flatten(forward)
    assert by_query(found[1]) == flatten(backward)


def test_directions_that_do_not_mirror_each_other_are_ranked_apart():
    forward = make_problem(2, most_positives=2)
    other = replace(turned(forward), gallery=forward.query[::-1].copy())
    assert not mirrored(forward, other)
    found = rank_both(forward, other)
    assert by_query(found[0]) == flatten(forward)
    assert by_query(found[1]) == flatten(other)


@pytest.mark.parametrize("side", ["query", "gallery"])
def test_a_vector_that_is_not_finite_fails(side):
    problem = make_problem(1, most_positives=1)
    getattr(problem, side)[3, 2] = np.nan
    with pytest.raises(Failure, match="not finite"):
        list(rank(problem))
