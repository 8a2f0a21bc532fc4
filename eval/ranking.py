"""Counts, for every positive of every query, the gallery items above it or tied with it.

Queries and gallery are multiplied tile by tile; no array of queries x gallery exists, nothing is
sorted, and memory does not grow with the gallery. Legend: n queries of one block, T items of one
tile, P thresholds per query (its distinct positive scores), K best items kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eval.pairs import exact_pairs
from eval.ties import Ints, Ranking, Reals

if TYPE_CHECKING:
    from torch import Tensor

    from eval.scores import Cosine

Floats = NDArray[np.float32]

QUERY_TILE = 512
GALLERY_TILE = 2048
THRESHOLDS = 1 << 20  # per block of queries: 8 MB in float64
SPARE = 8  # more candidates than K, so that float32 rounding loses none of the K best


@dataclass(frozen=True)
class Problem:
    """What is ranked against what.

    Attributes:
        score: the score of the model.
        query: (N, E) prepared query vectors.
        gallery: (M, E) prepared gallery vectors.
        positives: N sorted arrays of gallery numbers.
        excluded: N sorted arrays of gallery numbers that are neither hit nor distractor.
        top: K, how many best items to keep.
    """

    score: Cosine
    query: Floats
    gallery: Floats
    positives: Sequence[Ints]
    excluded: Sequence[Ints]
    top: int = 10


@dataclass(frozen=True)
class Ranked:
    """The outcome for one block of queries.

    Attributes:
        numbers: (n,) which queries these are.
        ranking: where their positives stand; its query 0 is `numbers[0]`.
        best: (n, K) gallery numbers, best first, -1 where the gallery is shorter.
        scores: (n, K) their scores, NaN where there is none.
    """

    numbers: Ints
    ranking: Ranking
    best: Ints
    scores: Reals


def rank(
    problem: Problem, *, query_tile: int = QUERY_TILE, gallery_tile: int = GALLERY_TILE
) -> Iterator[Ranked]:
    """Yield the outcome of every query, block by block; the tile sizes change no value."""
    for numbers in _query_blocks(problem, query_tile):
        yield _rank_block(problem, numbers, gallery_tile)


def _query_blocks(problem: Problem, tile: int) -> Iterator[Ints]:
    """Yield query numbers in blocks of similar P, so that padding thresholds stays cheap."""
    counts = np.array([len(p) for p in problem.positives], dtype=np.int64)
    order = np.argsort(counts, kind="stable")
    end = len(order)
    while end > 0:
        widest = max(1, int(counts[order[end - 1]]))
        start = max(0, end - min(tile, max(1, THRESHOLDS // widest)))
        yield np.sort(order[start:end])
        end = start


def _rank_block(problem: Problem, numbers: Ints, tile: int) -> Ranked:
    """Return the outcome of some queries against the whole gallery."""
    import torch

    query = problem.query[numbers]
    counter = _Counter(problem, numbers, query)
    best = _Best(problem, len(numbers))
    hidden = _pairs([problem.excluded[i] for i in numbers])
    left = torch.from_numpy(np.ascontiguousarray(query))
    for start in range(0, len(problem.gallery), tile):
        items = np.ascontiguousarray(problem.gallery[start : start + tile])
        table = left @ torch.from_numpy(items).T
        inside = (hidden[:, 1] >= start) & (hidden[:, 1] < start + len(items))
        if inside.any():
            rows, columns = torch.from_numpy(hidden[inside] - [0, start]).unbind(1)
            table[rows, columns] = -torch.inf
        counter.add(table, items)
        best.add(table, start)
    sizes = len(problem.gallery) - np.array([len(problem.excluded[i]) for i in numbers])
    chosen, scores = best.finish(query)
    return Ranked(numbers, counter.finish(sizes.astype(np.int64)), chosen, scores)


class _Counter:
    """Running counts of items above and tied with each threshold of a block of queries."""

    def __init__(self, problem: Problem, numbers: Ints, query: Floats) -> None:
        import torch

        self.score, self.query = problem.score, query
        n = len(numbers)
        pairs = _pairs([problem.positives[i] for i in numbers])
        exact = exact_pairs(problem.score, query, problem.gallery, pairs=pairs)
        self.thresholds, self.positives = _distinct(exact, pairs[:, 0], n)
        width = self.thresholds.shape[1]
        slack = problem.score.slack(query.shape[1])
        upper = np.nextafter((self.thresholds + slack).astype(np.float32), np.float32(np.inf))
        lower = np.nextafter((self.thresholds - slack).astype(np.float32), np.float32(-np.inf))
        self.upper, self.lower = torch.from_numpy(upper), torch.from_numpy(lower)
        self.bins = np.zeros((n, width + 1), dtype=np.int64)
        self.tied = np.zeros((n, width), dtype=np.int64)

    def add(self, table: Tensor, items: Floats) -> None:
        """Count one tile (n, T) of scores."""
        width = self.thresholds.shape[1]
        if width == 0:
            return
        near = self._add_single(table) if width == 1 else self._add_many(table)
        if len(near) == 0:
            return
        exact = exact_pairs(self.score, self.query, items, pairs=near)
        row = near[:, 0]
        below = _count_below(self.thresholds, row, exact)
        np.add.at(self.bins, (row, below), 1)
        at = np.minimum(below, width - 1)
        equal = self.thresholds[row, at] == exact
        np.add.at(self.tied, (row[equal], at[equal]), 1)

    def _add_single(self, table: Tensor) -> Ints:
        """Count scores surely above the one threshold; return the (row, column) of unsure ones."""
        sure = (table > self.upper).sum(1)
        unsure = (table >= self.lower).sum(1) - sure
        self.bins[:, 1] += sure.numpy()
        rows = unsure.nonzero()[:, 0]
        part = table[rows]
        near = ((part >= self.lower[rows]) & (part <= self.upper[rows])).nonzero().numpy()
        return np.stack([rows.numpy()[near[:, 0]], near[:, 1]], axis=1)

    def _add_many(self, table: Tensor) -> Ints:
        """Count scores surely between two thresholds; return the (row, column) of unsure ones."""
        import torch

        n, width = self.thresholds.shape
        table = table.contiguous()
        surely = torch.searchsorted(self.upper, table)
        perhaps = torch.searchsorted(self.lower, table, right=True)
        near = surely != perhaps
        flat = surely + torch.arange(n)[:, None] * (width + 1)
        counts = torch.bincount(flat[~near], minlength=n * (width + 1))
        self.bins += counts.numpy().reshape(n, width + 1)
        return np.asarray(near.nonzero().numpy())

    def finish(self, sizes: Ints) -> Ranking:
        """Return the blocks of equal scores that hold positives, best first."""
        at_or_above = np.cumsum(self.bins[:, ::-1], axis=1)[:, ::-1]
        above = at_or_above[:, 1:]
        real = np.flatnonzero(self.positives[:, ::-1].reshape(-1))
        flat = [a[:, ::-1].reshape(-1)[real] for a in (above, self.tied, self.positives)]
        query = real // max(1, self.positives.shape[1])
        return Ranking(query, flat[0], flat[1], flat[2], flat[2].astype(np.float64), sizes)


class _Best:
    """The K best items of each query of a block, found by a running threshold."""

    def __init__(self, problem: Problem, n: int) -> None:
        import torch

        self.problem = problem
        self.keep = problem.top + SPARE
        self.scores = torch.full((n, self.keep), -torch.inf)
        self.items = torch.full((n, self.keep), -1, dtype=torch.int64)

    def add(self, table: Tensor, start: int) -> None:
        """Take one tile (n, T) whose first column is gallery item `start`."""
        import torch

        if self.problem.top == 0:
            return
        rows = (table.amax(1) > self.scores[:, -1]).nonzero()[:, 0]
        scores, items = table[rows].topk(min(self.keep, table.shape[1]), dim=1)
        scores = torch.cat([self.scores[rows], scores], dim=1)
        items = torch.cat([self.items[rows], items + start], dim=1)
        kept = scores.topk(self.keep, dim=1)
        self.scores[rows] = kept.values
        self.items[rows] = items.gather(1, kept.indices)

    def finish(self, query: Floats) -> tuple[Ints, Reals]:
        """Return (n, K) items and their exact scores, ties by gallery number."""
        items, k = self.items.numpy(), self.problem.top
        missing = self.scores.numpy() == -np.inf
        rows = np.repeat(np.arange(len(items)), items.shape[1])
        pairs = np.stack([rows, np.where(missing, 0, items).reshape(-1)], axis=1)
        exact = exact_pairs(self.problem.score, query, self.problem.gallery, pairs=pairs)
        exact = np.where(missing, -np.inf, exact.reshape(items.shape))
        order = np.lexsort((items, -exact))[:, :k]
        chosen = np.take_along_axis(np.where(missing, -1, items), order, axis=1)
        scores = np.take_along_axis(np.where(missing, np.nan, exact), order, axis=1)
        return chosen, scores


def _pairs(lists: Sequence[Ints]) -> Ints:
    """Return (row, item) of every item of every list, rows in order."""
    rows = np.repeat(np.arange(len(lists)), [len(items) for items in lists])
    items = np.concatenate(lists) if lists else np.zeros(0, dtype=np.int64)
    return np.stack([rows, items.astype(np.int64)], axis=1)


def _distinct(scores: Reals, rows: Ints, n: int) -> tuple[Reals, Ints]:
    """Return (n, P) distinct scores per row, rising and padded by inf, with how often each occurs."""
    order = np.lexsort((scores, rows))
    scores, rows = scores[order], rows[order]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (scores[1:] != scores[:-1]) | (rows[1:] != rows[:-1])
    heads = np.flatnonzero(new)
    row = rows[heads]
    per_row = np.bincount(row, minlength=n)
    width = int(per_row.max(initial=0))
    column = np.arange(len(heads)) - np.repeat(np.cumsum(per_row) - per_row, per_row)
    thresholds, counts = np.full((n, width), np.inf), np.zeros((n, width), dtype=np.int64)
    thresholds[row, column] = scores[heads]
    counts[row, column] = np.diff(np.append(heads, len(rows)))
    return thresholds, counts


def _count_below(thresholds: Reals, rows: Ints, values: Reals) -> Ints:
    """Return for each value how many thresholds of its row lie below it, by bisection."""
    low = np.zeros(len(rows), dtype=np.int64)
    high = np.full(len(rows), thresholds.shape[1], dtype=np.int64)
    while np.any(low < high):
        middle = (low + high) // 2
        probe = thresholds[rows, np.minimum(middle, thresholds.shape[1] - 1)]
        right = (probe < values) & (low < high)
        low = np.where(right, middle + 1, low)
        high = np.where(right, high, np.minimum(high, middle))
    return low
