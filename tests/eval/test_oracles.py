"""From vectors to metrics against independent implementations and against every possible order."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval import ties
from eval.ranking import Problem, rank
from eval.scores import score

COSINE = score("cosine")
NONE = np.zeros(0, dtype=np.int64)
KS = (1, 3, 10)


def measured(query, gallery, positives):
    """Every metric of every query, by name, from the vectors."""
    problem = Problem(COSINE, query, gallery, positives, [NONE] * len(query), 0)
    found = {}
    for part in rank(problem, query_tile=3, gallery_tile=16):
        values = {"RR": ties.mrr(part.ranking), "AP": ties.average_precision(part.ranking)}
        for k in KS:
            values |= {
                f"Success@{k}": ties.hit(part.ranking, k),
                f"R@{k}": ties.recall(part.ranking, k),
                f"P@{k}": ties.precision(part.ranking, k),
                f"AP@{k}": ties.average_precision(part.ranking, k),
                f"nDCG@{k}": ties.ndcg(part.ranking, k),
            }
        for place, number in enumerate(part.numbers):
            found[int(number)] = {name: float(column[place]) for name, column in values.items()}
    return found


def of_one_order(relevant):
    """The metrics of a list of relevances, best first, by their definitions."""
    size, total = len(relevant), sum(relevant)
    places = [place for place, good in enumerate(relevant, 1) if good]
    precision = {place: count / place for count, place in enumerate(places, 1)}
    found = {"RR": 1 / places[0], "AP": sum(precision.values()) / total}
    for k in KS:
        inside = [place for place in places if place <= k]
        ideal = sum(1 / np.log2(r + 1) for r in range(1, min(k, total, size) + 1))
        found |= {
            f"Success@{k}": float(bool(inside)),
            f"R@{k}": len(inside) / total,
            f"P@{k}": len(inside) / k,
            f"AP@{k}": sum(precision[place] for place in inside) / total,
            f"nDCG@{k}": sum(1 / np.log2(place + 1) for place in inside) / ideal,
        }
    return found


@settings(deadline=None, max_examples=40)
@given(
    levels=st.lists(st.integers(0, 2), min_size=1, max_size=7),
    good=st.lists(st.booleans(), min_size=7, max_size=7),
)
def test_ties_are_the_mean_over_every_order_of_equal_vectors(levels, good):
    relevant = good[: len(levels)]
    angles = np.array([0.2, 0.7, 1.3])[levels]
    gallery = COSINE.prepare(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    query = COSINE.prepare(np.array([[1.0, 0.0]]))
    (found,) = measured(query, gallery, [np.flatnonzero(relevant)]).values()
    if not any(relevant):
        assert all(np.isnan(value) for value in found.values() if value != 0)
        return
    orders = [
        of_one_order([relevant[i] for i in order])
        for order in permutations(range(len(levels)))
        if all(levels[a] <= levels[b] for a, b in pairwise(order))
    ]
    for name, value in found.items():
        expected = np.mean([order[name] for order in orders])
        assert value == pytest.approx(expected, abs=1e-12), name


@pytest.mark.parametrize("positives", [1, 5, 24])
def test_tie_free_vectors_equal_ir_measures(positives):
    ir = pytest.importorskip("ir_measures")
    rng = np.random.default_rng(positives)
    query, gallery = (COSINE.prepare(rng.standard_normal((n, 16))) for n in (9, 24))
    lists = [np.sort(rng.choice(24, positives, replace=False)) for _ in range(9)]
    table = COSINE.exact_table(query, gallery)
    relevance = {f"q{i}": {f"d{j}": 1 for j in mine} for i, mine in enumerate(lists)}
    run = {f"q{i}": {f"d{j}": float(s) for j, s in enumerate(row)} for i, row in enumerate(table)}
    found = measured(query, gallery, lists)
    wanted = [ir.parse_measure(name) for name in found[0]]
    theirs = list(ir.iter_calc(wanted, relevance, run))
    assert len(theirs) == 9 * len(wanted)
    for one in theirs:
        ours = found[int(one.query_id[1:])][str(one.measure)]
        assert ours == pytest.approx(one.value, abs=1e-12), one.measure


def test_a_list_longer_than_the_gallery_holds_all_of_it():
    vectors = COSINE.prepare(np.eye(3))
    (one, *_) = measured(vectors, vectors, [np.array([i]) for i in range(3)]).values()
    assert one["Success@10"] == one["R@10"] == one["nDCG@10"] == 1
    assert one["P@10"] == 0.1


def test_best_lists_equal_a_flat_index():
    faiss = pytest.importorskip("faiss", reason="faiss-cpu is an extra")
    rng = np.random.default_rng(0)
    query, gallery = (COSINE.prepare(rng.standard_normal((n, 32))) for n in (50, 3000))
    index = faiss.IndexFlatIP(32)
    index.add(gallery)
    scores, items = index.search(query, 10)
    lists = [np.array([0])] * len(query)
    for part in rank(Problem(COSINE, query, gallery, lists, [NONE] * len(query), 10)):
        assert np.abs(part.scores - scores[part.numbers]).max() < 1e-6
        apart = np.abs(np.diff(part.scores, axis=1)) > 1e-6
        alone = np.pad(apart, ((0, 0), (1, 0)), constant_values=True) & np.pad(
            apart, ((0, 0), (0, 1)), constant_values=False
        )
        assert (part.best == items[part.numbers])[alone].all()
        assert alone.mean() > 0.8
