"""Ranking metrics in closed form: their expected value over a random order inside equal scores.

After McSherry and Najork, "Computing Information Retrieval Performance Measures Efficiently in the
Presence of Tied Scores". A block is a set of items with one score; only blocks with a positive
matter. Legend: N queries, B blocks with a positive, queries in order and best block first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """Where the positives of N queries stand, as blocks of equal scores.

    Attributes:
        query: (B,) number of the query 0..N-1, ascending; best block of a query first.
        above: (B,) items with a higher score.
        tied: (B,) items with this score, the positives among them included.
        positives: (B,) positives with this score, at least 1.
        gain: (B,) sum of their gains; equals `positives` where relevance is yes or no.
        size: (N,) gallery size of each query.
        ideal: gains of each query's positives, largest first, for `ndcg`; None = every gain is 1.
    """

    query: Ints
    above: Ints
    tied: Ints
    positives: Ints
    gain: Reals
    size: Ints
    ideal: tuple[Reals, ...] | None = None

    @cached_property
    def total(self) -> Ints:
        """(N,) positives of each query."""
        return np.bincount(self.query, self.positives, len(self.size)).astype(np.int64)

    @cached_property
    def first(self) -> Ints:
        """(N,) the first block of each query, -1 where it has none."""
        found = np.full(len(self.size), -1, dtype=np.int64)
        found[self.query[::-1]] = np.arange(len(self.query))[::-1]
        return found

    def chance(self) -> Ranking:
        """Return the ranking of a model that cannot tell: all items of a query in one block."""
        has = np.flatnonzero(self.total > 0)
        gain = _sums(self.query, self.gain, len(self.size))[has]
        return replace(
            self, query=has, above=np.zeros(len(has), np.int64), tied=self.size[has],
            positives=self.total[has], gain=gain,
        )  # fmt: skip


def hit(ranking: Ranking, k: int) -> Reals:
    """Return (N,) the chance that a positive is among the first k; NaN without positives."""
    return _of_first(ranking, lambda row: _hit(row, k))


def recall(ranking: Ranking, k: int) -> Reals:
    """Return (N,) the share of the positives among the first k."""
    return _found(ranking, k) / _or_nan(ranking.total)


def precision(ranking: Ranking, k: int) -> Reals:
    """Return (N,) the share of positives in the first k."""
    return np.where(ranking.total > 0, _found(ranking, k) / k, np.nan)


def mrr(ranking: Ranking) -> Reals:
    """Return (N,) 1 / rank of the first positive."""
    return _of_first(ranking, _first_reciprocal)


def rank(ranking: Ranking) -> Reals:
    """Return (N,) the rank of the first positive, 1 = best."""
    return _of_first(ranking, lambda row: row.above + (row.tied + 1) / (row.positives + 1))


def average_precision(ranking: Ranking, k: int | None = None) -> Reals:
    """Return (N,) the mean over positives of the precision at their rank.

    With k, ranks beyond k count nothing, and the sum is still divided by all positives (trec_eval).
    """
    limits = np.full(len(ranking.size), np.iinfo(np.int64).max if k is None else k)
    return _precision_sum(ranking, limits) / _or_nan(ranking.total)


def map_at_r(ranking: Ranking) -> Reals:
    """Return (N,) average precision cut at k = number of positives (Musgrave et al.)."""
    return _precision_sum(ranking, ranking.total) / _or_nan(ranking.total)


def ndcg(ranking: Ranking, k: int) -> Reals:
    """Return (N,) discounted gain of the first k, linear gain and log2 discount, over the ideal."""
    steps = 1.0 / np.log2(np.arange(2, k + 2))
    discount = np.concatenate([[0.0], np.cumsum(steps)])
    end, start = np.minimum(ranking.above + ranking.tied, k), np.minimum(ranking.above, k)
    inside = ranking.gain / ranking.tied * (discount[end] - discount[start])
    gained = np.bincount(ranking.query, inside, len(ranking.size))
    if ranking.ideal is None:
        return gained / _or_nan(discount[np.minimum(ranking.total, k)])
    best = [float(gains[:k] @ steps[: len(gains)]) for gains in ranking.ideal]
    return gained / _or_nan(np.array(best))


def hit_in_smaller_gallery(ranking: Ranking, k: int, size: int) -> Reals:
    """Return (N,) expected hit@k when `size` items, the one positive among them, are drawn.

    The better items in the draw are hypergeometric; a tie averages over its ranks. Queries with
    other than one positive, or with a smaller gallery, are NaN.
    """

    def expected(block: _Block) -> float:
        if block.total != 1 or block.size < size:
            return float("nan")
        ranks = range(block.above + 1, block.above + block.tied + 1)
        return sum(_at_most(k - 1, block.size, r, size=size) for r in ranks) / block.tied

    return _of_first(ranking, expected)


@lru_cache(maxsize=65536)
def _at_most(allowed: int, gallery: int, place: int, *, size: int) -> float:
    """P(X <= allowed), X hypergeometric: of gallery-1 others, place-1 better, size-1 drawn."""
    better, worse, drawn = place - 1, gallery - place, size - 1
    least = max(0, drawn - worse)
    if least > allowed:
        return 0.0
    if least == 0:
        j = np.arange(drawn)
        term = float(np.prod((worse - j) / (gallery - 1 - j)))
    else:
        term = _exact_chance(better, worse, drawn)
    total = term
    for x in range(least, min(allowed, better, drawn)):
        term *= (better - x) * (drawn - x) / ((x + 1) * (worse - drawn + x + 1))
        total += term
    return min(total, 1.0)


def _exact_chance(better: int, worse: int, drawn: int) -> float:
    """P(X = drawn - worse): every worse item is drawn."""
    return math.comb(better, drawn - worse) / math.comb(better + worse, drawn)


@dataclass(frozen=True)
class _Block:
    """One block: items above, items in it, positives in it, and the query's size and positives."""

    above: int
    tied: int
    positives: int
    size: int
    total: int


def _of_first(ranking: Ranking, value: Callable[[_Block], float]) -> Reals:
    """Return (N,) a function of the first block, computed once per distinct block."""
    has = np.flatnonzero(ranking.first >= 0)
    b = ranking.first[has]
    columns = [ranking.above[b], ranking.tied[b], ranking.positives[b]]
    blocks = np.stack([*columns, ranking.size[has], ranking.total[has]], axis=1)
    distinct, place = np.unique(blocks, axis=0, return_inverse=True)
    values = np.array([value(_Block(*map(int, block))) for block in distinct], dtype=np.float64)
    found = np.full(len(ranking.size), np.nan)
    found[has] = values[place.reshape(-1)]
    return found


def _hit(block: _Block, k: int) -> float:
    """1 - C(t-p, m) / C(t, m): not all of the m places that reach the first k are negatives."""
    places = min(max(k - block.above, 0), block.tied)
    j = np.arange(places)
    misses = np.maximum(block.tied - block.positives - j, 0) / (block.tied - j)
    return 1.0 - float(np.prod(misses))


def _first_reciprocal(block: _Block) -> float:
    """Expected 1 / rank of the first of p positives among t places that follow a better items."""
    j = np.arange(1, block.tied - block.positives + 2)
    later = (block.tied - j[:-1] - block.positives + 1) / (block.tied - j[:-1])
    chance_first_at = block.positives / block.tied * np.concatenate([[1.0], np.cumprod(later)])
    return float(np.sum(chance_first_at / (block.above + j)))


def _found(ranking: Ranking, k: int) -> Reals:
    """Return (N,) expected number of positives among the first k."""
    places = np.clip(k - ranking.above, 0, ranking.tied)
    share = ranking.positives * places / ranking.tied
    return _sums(ranking.query, share, len(ranking.size))


def _precision_sum(ranking: Ranking, limits: Ints) -> Reals:
    """Return (N,) sum over positives ranked within (N,) limits of the precision at their rank."""
    running = np.cumsum(ranking.positives) - ranking.positives
    starts = ranking.first[ranking.query]
    before = running - running[starts]
    reach = np.clip(limits[ranking.query] - ranking.above, 0, ranking.tied)
    term = np.where(reach > 0, (before + 1) / (ranking.above + 1), 0.0)
    for b in np.flatnonzero((ranking.tied > 1) & (reach > 0)):
        term[b] = _tied_precision(
            int(ranking.above[b]), int(ranking.tied[b]), int(ranking.positives[b]),
            before=int(before[b]), reach=int(reach[b]),
        )  # fmt: skip
    return _sums(ranking.query, term, len(ranking.size))


@lru_cache(maxsize=65536)
def _tied_precision(above: int, tied: int, positives: int, *, before: int, reach: int) -> float:
    """Expected sum of precisions at the first `reach` places of a block of at least two."""
    j = np.arange(1, reach + 1)
    at_place = before + 1 + (j - 1) * (positives - 1) / (tied - 1)
    return float(positives / tied * np.sum(at_place / (above + j)))


def _sums(query: Ints, values: Reals, size: int) -> Reals:
    """Return (N,) the sum of the values of each query's blocks."""
    return np.bincount(query, values, size).astype(np.float64)


def _or_nan(count: NDArray[Any]) -> Reals:
    """Return counts as divisors: 0 becomes NaN."""
    return np.where(count > 0, count, np.nan).astype(np.float64)
