"""Counts, tile by tile, the items above each positive of a few queries, or tied with it.

A float32 score closer to a positive's score than the window is unsure and is scored again in
float64; every other score is counted as it is. The positives themselves are left out of the
tiles: their exact scores are known beforehand. Legend: n queries, T items of one tile, P
thresholds per query (its distinct positive scores, rising), L looked-up scores, F unsure
thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eval.pairs import exact_pairs, pairs_of, within
from eval.threads import in_threads
from eval.ties import Ints, Ranking, Reals
from eval.tiles import count_above, find_above

if TYPE_CHECKING:
    from torch import Tensor

    from eval.scores import Cosine

Floats = NDArray[np.float32]

LISTED = 1 / 64  # up to this share of scores is listed one by one; more are counted by rows
FEW = 1 / 16  # up to this share of scores is looked up one by one; more are sorted
BINS = 1 << 13  # bins of scores, a byte each and row, by which unsure ones are found
SORTED = 32  # rows that a thread sorts at a time


class Counter:
    """Running counts of a few queries against a gallery that passes in tiles.

    Args:
        score: the score of the model.
        query: (n, E) prepared vectors of the queries.
        gallery: (M, E) prepared vectors of all items.
        positives: n sorted arrays of gallery numbers.
        excluded: n sorted arrays of gallery numbers that are neither hit nor distractor.
    """

    def __init__(
        self, score: Cosine, query: Floats, gallery: Floats, *,
        positives: Sequence[Ints], excluded: Sequence[Ints],
    ) -> None:  # fmt: skip
        import torch

        self.score, self.query = score, query
        self.sizes = np.array([len(gallery) - len(items) for items in excluded], dtype=np.int64)
        pairs = pairs_of(positives)
        self.unseen = np.concatenate([pairs, pairs_of(excluded)])
        exact = exact_pairs(score, query, gallery, pairs=pairs)
        self.thresholds, self.positives = _distinct(exact, pairs[:, 0], len(query))
        self.above, self.tied = np.zeros_like(self.positives), np.zeros_like(self.positives)
        self.marks = torch.from_numpy(self.thresholds.astype(np.float32))
        self.window = _window(score.slack(query.shape[1]), exact)
        self.low, self.high = ((self.marks + w).numpy() for w in (-self.window, self.window))

    def add(self, table: Tensor, start: int, items: Floats) -> None:
        """Count one tile (n, T) of float32 scores; its items are `start` and the T - 1 after.

        The tile is left as it was.
        """
        import torch

        width = self.thresholds.shape[1]
        if width == 0:
            return
        unseen = torch.from_numpy(within(self.unseen, start, len(items)))
        rows, columns = unseen.unbind(1)
        hidden = table[rows, columns]
        table[rows, columns] = -torch.inf
        near = self._against_one(table) if width == 1 else self._against(table)
        table[rows, columns] = hidden
        if len(near):
            self._settle(near, items)

    def finish(self) -> Ranking:
        """Return the blocks of equal scores that hold positives, best first."""
        beaten = np.cumsum(self.positives[:, ::-1], axis=1)[:, ::-1] - self.positives
        columns = (self.above + beaten, self.tied + self.positives, self.positives)
        real = np.flatnonzero(self.positives[:, ::-1].reshape(-1))
        above, tied, positives = (c[:, ::-1].reshape(-1)[real] for c in columns)
        query = real // max(1, self.positives.shape[1])
        return Ranking(query, above, tied, positives, positives.astype(np.float64), self.sizes)

    def _against_one(self, table: Tensor) -> Ints:
        """Count scores surely above the one threshold; return the (row, column) of unsure ones."""
        low, high = self.low[:, 0], self.high[:, 0]
        found = find_above(table, low, most=LISTED)
        if found is not None:
            row, column = found
            sure = table.numpy()[row, column] > high[row]
            self.above[:, 0] += np.bincount(row[sure], minlength=len(low))
            return np.stack([row[~sure], column[~sure]], axis=1)
        counts = count_above(table, high)
        self.above[:, 0] += counts
        unsure = np.flatnonzero(count_above(table, low) != counts)
        scores = table.numpy()[unsure]
        near = (scores > low[unsure, None]) & (scores <= high[unsure, None])
        place, column = near.nonzero()
        return np.stack([unsure[place], column], axis=1)

    def _against(self, table: Tensor) -> Ints:
        """Count scores surely above each threshold; return the (row, column) of unsure ones."""
        found = find_above(table, self.low[:, 0], most=FEW)
        return self._sort(table) if found is None else self._look_up(table, *found)

    def _look_up(self, table: Tensor, rows: Ints, columns: Ints) -> Ints:
        """Find the thresholds below each of (L,) scores, named by their places in the tile."""
        import torch

        row, column = torch.from_numpy(rows), torch.from_numpy(columns)
        n, width = self.thresholds.shape
        real = self.marks[self.marks.isfinite()]
        low, high = float(real.min()), float(real.max())
        # one search serves all rows: the thresholds of each lie in a stretch of their own
        stretch = high - low + 8 * self.window
        ladder = self.marks.double().clamp(max=high + 3 * self.window) - low
        ladder += stretch * torch.arange(n)[:, None]
        value = table[row, column].double().clamp(max=high + self.window)
        found = torch.searchsorted(ladder.flatten(), value - low + self.window + stretch * row)
        below = found - row * width
        highest = self.marks[row, (below - 1).clamp(min=0)]
        near = (below > 0) & (value - highest < self.window)
        self.above += self._at_least(row[~near].numpy(), below[~near].numpy())
        unsure = near.numpy()
        return np.stack([rows[unsure], columns[unsure]], axis=1)

    def _sort(self, table: Tensor) -> Ints:
        """Sort every row of the tile and find each threshold's place in it."""
        import torch

        n, size = table.shape
        ladder = np.array(table.numpy(), order="C")
        in_threads(lambda i: ladder[i : i + SORTED].sort(axis=1), range(0, n, SORTED))
        ranked = torch.from_numpy(ladder)
        place = torch.searchsorted(ranked, torch.from_numpy(self.low), right=True)
        following = ranked.gather(1, place.clamp(max=size - 1))
        unsure = ((place < size) & (following < torch.from_numpy(self.high))).nonzero()
        near = self._scan(table, unsure.numpy())
        values = table.numpy()[near[:, 0], near[:, 1]]
        below = _count_below(self.low, near[:, 0], values)
        self.above += size - place.numpy() - self._at_least(near[:, 0], below)
        return near

    def _scan(self, table: Tensor, unsure: Ints) -> Ints:
        """Return the (row, column) of scores near to any of (F, 2) thresholds (row, number).

        Scores fall into bins, and only those in a bin that a window touches are looked at.
        """
        scores, mine = table.numpy(), (unsure[:, 0], unsure[:, 1])
        if len(unsure) == 0:
            return np.zeros((0, 2), dtype=np.int64)
        start, end = self.low[mine].min(), self.high[mine].max()
        step = max(float(end - start) / BINS, 4 * self.window)  # a window touches two bins at most

        def bin_of(values: NDArray[Any]) -> NDArray[np.int32]:
            place = ((values - start) / np.float32(step)).clip(-1, BINS + 1)
            return np.asarray(place.astype(np.int32) + 1)

        touched = np.zeros((len(scores), BINS + 3), dtype=bool)
        for ends in (self.low, self.high):
            touched[unsure[:, 0], bin_of(ends[mine])] = True
        chosen = np.empty(scores.shape, dtype=bool)

        def choose(first: int) -> None:
            for row, bins in enumerate(bin_of(scores[first : first + SORTED]), first):
                touched[row].take(bins, out=chosen[row])

        in_threads(choose, range(0, len(scores), SORTED))
        row, column = divmod(np.flatnonzero(chosen), scores.shape[1])
        value = scores[row, column]
        below = _count_below(self.low, row, value)
        near = (below > 0) & (value < self.high[row, below - 1])
        return np.stack([row[near], column[near]], axis=1)

    def _settle(self, near: Ints, items: Floats) -> None:
        """Count unsure (row, column) pairs of a tile by their exact scores."""
        exact = exact_pairs(self.score, self.query, items, pairs=near)
        row = near[:, 0]
        below = _count_below(self.thresholds, row, exact)
        self.above += self._at_least(row, below)
        at = np.minimum(below, self.thresholds.shape[1] - 1)
        equal = self.thresholds[row, at] == exact
        np.add.at(self.tied, (row[equal], at[equal]), 1)

    def _at_least(self, row: Ints, below: Ints) -> Ints:
        """Return (n, P) how many of the given items exceed each threshold; each exceeds `below`."""
        n, width = self.thresholds.shape
        bins = np.bincount(row * (width + 1) + below, minlength=n * (width + 1))
        counts = bins.reshape(n, width + 1)[:, ::-1].cumsum(axis=1)[:, ::-1]
        return np.asarray(counts[:, 1:])


def _window(slack: float, exact: Reals) -> float:
    """Return a power of two beyond which float32 cannot have swapped a score with a threshold."""
    largest = max(1.0, float(np.abs(exact).max(initial=1.0)))
    return 2.0 ** math.ceil(math.log2(slack + 4 * largest * 2.0**-24))


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


def _count_below(thresholds: NDArray[Any], rows: Ints, values: NDArray[Any]) -> Ints:
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
