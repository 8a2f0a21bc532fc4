"""Closed-form tie formulas against known answers, enumeration and other libraries."""

from itertools import pairwise, permutations

import numpy as np
import pytest

from eval import ties
from eval.ties import Ranking


def ranking_of(scores, gains):
    """One query's ranking from scores and gains, the slow way."""
    scores, gains = np.asarray(scores, float), np.asarray(gains, float)
    levels = [s for s in sorted(set(scores), reverse=True) if gains[scores == s].any()]
    above = [int((scores > s).sum()) for s in levels]
    tied = [int((scores == s).sum()) for s in levels]
    positives = [int((gains[scores == s] > 0).sum()) for s in levels]
    gain = [float(gains[scores == s].sum()) for s in levels]
    ideal = (np.sort(gains[gains > 0])[::-1],)
    return Ranking(
        np.zeros(len(levels), dtype=np.int64), np.array(above, dtype=np.int64),
        np.array(tied, dtype=np.int64), np.array(positives, dtype=np.int64), np.array(gain),
        np.array([len(scores)]), ideal,
    )  # fmt: skip


def in_order(gains):
    return ranking_of(-np.arange(len(gains)), gains)


def plain(gains, k):
    """Every metric of one order without ties, straight from its definition."""
    hits = np.asarray(gains) > 0
    places = np.flatnonzero(hits) + 1
    precisions = np.cumsum(hits)[places - 1] / places
    discount = 1 / np.log2(np.arange(len(gains)) + 2)
    best = np.sort(gains)[::-1]
    return {
        "hit": float(hits[:k].any()),
        "recall": hits[:k].sum() / hits.sum(),
        "precision": hits[:k].sum() / k,
        "mrr": 1 / places[0],
        "rank": float(places[0]),
        "map": precisions.mean(),
        "map_k": precisions[places <= k].sum() / hits.sum(),
        "map_r": precisions[places <= hits.sum()].sum() / hits.sum(),
        "ndcg": (gains * discount)[:k].sum() / (best * discount)[:k].sum(),
    }


def closed(ranking, k):
    values = {
        "hit": ties.hit(ranking, k),
        "recall": ties.recall(ranking, k),
        "precision": ties.precision(ranking, k),
        "mrr": ties.mrr(ranking),
        "rank": ties.rank(ranking),
        "map": ties.average_precision(ranking),
        "map_k": ties.average_precision(ranking, k),
        "map_r": ties.map_at_r(ranking),
        "ndcg": ties.ndcg(ranking, k),
    }
    return {name: float(value[0]) for name, value in values.items()}


def test_a_query_without_positives_is_not_defined():
    empty = np.zeros(0, dtype=np.int64)
    none = Ranking(empty, empty, empty, empty, empty.astype(float), np.array([5]))
    assert all(np.isnan(value) for value in closed(none, 2).values())


def test_graded_gains_in_rank_order():
    ranking = in_order([0, 1, 0, 2, 0, 1])
    found = closed(ranking, 3)
    assert found["hit"] == 1
    assert found["recall"] == pytest.approx(1 / 3, abs=1e-15)
    assert found["mrr"] == 0.5
    assert found["map"] == pytest.approx(0.5, abs=1e-15)
    assert found["ndcg"] == pytest.approx(0.20151514190050246, abs=1e-15)
    assert closed(ranking, 6)["ndcg"] == pytest.approx(0.5903965282893011, abs=1e-15)


def test_map_at_k_is_divided_by_all_positives():
    found = closed(in_order([0, 1, 0, 1, 1, 0]), 3)
    assert found["map_k"] == pytest.approx(1 / 6, abs=1e-15)
    assert found["map"] == pytest.approx(8 / 15, abs=1e-15)
    assert found["recall"] == pytest.approx(1 / 3, abs=1e-15)


def test_four_tied_items_of_which_two_are_positive():
    ranking = ranking_of([0.5] * 4, [1, 0, 1, 0])
    expected = {"hit": 5 / 6, "mrr": 13 / 18, "rank": 5 / 3, "map": 49 / 72, "ndcg": 0.5}
    found = closed(ranking, 2)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-14)
    assert closed(ranking, 1)["hit"] == pytest.approx(0.5, abs=1e-15)
    assert closed(ranking, 1)["recall"] == pytest.approx(0.25, abs=1e-15)


def test_ties_that_start_below_the_top():
    ranking = ranking_of([0.9, 0.7, 0.7, 0.7, 0.2], [0, 1, 0, 1, 1])
    expected = {"hit": 2 / 3, "recall": 2 / 9, "mrr": 4 / 9, "rank": 7 / 3, "map": 8 / 15}
    found = closed(ranking, 2)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-14)


def test_rank_seven_of_a_thousand_in_a_gallery_of_a_hundred():
    ranking = in_order([0] * 6 + [1] + [0] * 993)
    assert ties.hit_in_smaller_gallery(ranking, 1, 100)[0] == pytest.approx(0.53376, abs=5e-6)
    assert ties.hit_in_smaller_gallery(ranking, 7, 1000)[0] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("place", [1, 4, 30, 60])
def test_smaller_gallery_equals_the_hypergeometric_distribution(place, k):
    from scipy.stats import hypergeom

    ranking = in_order([int(i == place - 1) for i in range(60)])
    expected = hypergeom.cdf(k - 1, 59, place - 1, 39)
    assert ties.hit_in_smaller_gallery(ranking, k, 40)[0] == pytest.approx(expected, abs=1e-10)


def test_chance_of_three_positives_among_a_hundred():
    chance = in_order([1, 1, 1] + [0] * 97).chance()
    assert ties.hit(chance, 10)[0] == pytest.approx(0.27347, abs=5e-6)
    assert ties.recall(chance, 10)[0] == pytest.approx(0.1, abs=1e-15)


@pytest.mark.parametrize("seed", range(25))
def test_expectation_over_every_order_of_the_tied_items(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 8))
    scores = rng.integers(0, 3, size)
    gains = rng.integers(0, 3, size).astype(float)
    gains[rng.integers(size)] = 1
    if seed % 2:
        gains = (gains > 0).astype(float)
    k = int(rng.integers(1, size + 1))
    total, orders = dict.fromkeys(plain(gains, k), 0.0), 0
    for order in permutations(range(size)):
        if any(scores[a] < scores[b] for a, b in pairwise(order)):
            continue
        orders += 1
        for name, value in plain(gains[list(order)], k).items():
            total[name] += value
    expected = {name: value / orders for name, value in total.items()}
    assert closed(ranking_of(scores, gains), k) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_ndcg_with_ties_equals_scikit_learn(seed):
    from sklearn.metrics import ndcg_score

    rng = np.random.default_rng(seed)
    scores, gains = rng.integers(0, 4, 15), rng.integers(0, 4, 15).astype(float)
    gains[0] = 2
    expected = ndcg_score([gains], [scores.astype(float)], k=6)
    assert ties.ndcg(ranking_of(scores, gains), 6)[0] == pytest.approx(expected, abs=1e-12)


def test_tie_free_scores_equal_ir_measures():
    import ir_measures as ir

    rng = np.random.default_rng(3)
    for _ in range(20):
        scores = rng.permutation(40) / 40
        gains = (rng.random(40) < 0.2).astype(int)
        gains[0] = 1
        qrels = [ir.Qrel("q", f"d{i}", int(g)) for i, g in enumerate(gains)]
        run = [ir.ScoredDoc("q", f"d{i}", float(s)) for i, s in enumerate(scores)]
        names = [ir.Success @ 5, ir.R @ 5, ir.P @ 5, ir.RR, ir.AP, ir.AP @ 5, ir.nDCG @ 5]
        expected = ir.calc_aggregate(names, qrels, run)
        found = closed(ranking_of(scores, gains), 5)
        ours = [found[n] for n in ("hit", "recall", "precision", "mrr", "map", "map_k", "ndcg")]
        assert ours == pytest.approx([expected[name] for name in names], abs=1e-12)
