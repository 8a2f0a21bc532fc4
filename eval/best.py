"""The best items of a few queries, kept by a running threshold while a gallery passes in tiles.

Legend: n queries, T items of one tile, K best items asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eval.pairs import exact_pairs, pairs_of, within
from eval.ties import Ints, Reals
from eval.tiles import find_above, lying

if TYPE_CHECKING:
    from torch import Tensor

    from eval.scores import Cosine

Floats = NDArray[np.float32]

SPARE = 8  # more candidates than K, so that float32 rounding loses none of the K best
MANY = 16  # where more than one item in so many is a candidate, better marks are looked for
PARTS = 4  # parts of a tile per item kept, whose maxima give such a mark


class Best:
    """The K best items of each query so far.

    Args:
        query: (n, E) prepared vectors of the queries.
        excluded: n sorted arrays of gallery numbers that may not be listed.
        top: K; 0 keeps nothing.
    """

    def __init__(self, query: Floats, excluded: Sequence[Ints], top: int) -> None:
        import torch

        self.query, self.top = query, top
        self.excluded = pairs_of(excluded)
        self.scores = torch.full((len(query), top + SPARE), -torch.inf)
        self.items = torch.full((len(query), top + SPARE), -1, dtype=torch.int64)

    def add(self, table: Tensor, start: int) -> None:
        """Take one tile (n, T) of scores; its items are `start` and the T - 1 after."""
        import torch

        if self.top == 0:
            return
        unseen = within(self.excluded, start, table.shape[1])
        if len(unseen):
            table = table.clone()
            rows, columns = torch.from_numpy(unseen).unbind(1)
            table[rows, columns] = -torch.inf
        rows, scores, columns = self._better(table)
        scores = torch.cat([self.scores[rows], scores], dim=1)
        items = torch.cat([self.items[rows], columns + start], dim=1)
        kept = scores.topk(self.scores.shape[1], dim=1)
        self.scores[rows] = kept.values
        self.items[rows] = items.gather(1, kept.indices)

    def _better(self, table: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the rows that gain an item, with scores and columns that hold all they gain."""
        import torch

        marks, most = self.scores[:, -1].numpy(), 1 / MANY
        found = find_above(table, marks, most=most)
        if found is None:
            found = find_above(table, np.maximum(marks, self._reached(table)), most=most)
        if found is None:
            keep = min(self.scores.shape[1], table.shape[1])
            scores, columns = table.contiguous().topk(keep, dim=1)
            return torch.arange(len(table)), scores, columns
        row, column = map(torch.from_numpy, found)
        return _padded(row, table[row, column], column)

    def _reached(self, table: Tensor) -> Floats:
        """Return (n,) marks just below the K-th largest maximum of equal parts of each row.

        At least K scores exceed them. Minus infinity where the tile is too short for parts.
        """
        scores, sideways = lying(table)
        keep, size = self.scores.shape[1], table.shape[1]
        step = size // (PARTS * keep)
        if step < 2:
            return np.full(len(table), -np.inf, dtype=np.float32)
        used = step * PARTS * keep
        parts = (
            scores[:used].reshape(step, PARTS * keep, -1).max(axis=0).T if sideways
            else scores[:, :used].reshape(len(scores), step, PARTS * keep).max(axis=1)
        )  # fmt: skip
        least = np.partition(parts, -keep, axis=1)[:, -keep]
        return np.nextafter(least, np.float32(-np.inf))

    def finish(self, score: Cosine, gallery: Floats) -> tuple[Ints, Reals]:
        """Return (n, K) items and their exact scores, ties by gallery number."""
        items, near = self.items.numpy(), self.scores.numpy()
        if self.top == 0:
            return items[:, :0], near[:, :0].astype(np.float64)
        # what lies further below the K-th than rounding reaches is not among the K best
        reach = 2 * score.slack(self.query.shape[1])
        wanted = np.isfinite(near) & (near >= near[:, self.top - 1 : self.top] - reach)
        rows, columns = wanted.nonzero()
        exact = np.full(items.shape, -np.inf)
        pairs = np.stack([rows, items[rows, columns]], axis=1)
        exact[rows, columns] = exact_pairs(score, self.query, gallery, pairs=pairs)
        order = np.lexsort((items, -exact))[:, : self.top]
        chosen = np.take_along_axis(np.where(wanted, items, -1), order, axis=1)
        scores = np.take_along_axis(np.where(wanted, exact, np.nan), order, axis=1)
        return chosen, scores


def _padded(row: Tensor, scores: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the different rows, and their scores and columns side by side, padded by -inf."""
    import torch

    rows, counts = torch.unique_consecutive(row, return_counts=True)
    line = torch.arange(len(rows)).repeat_interleave(counts)
    place = torch.arange(len(row)) - (counts.cumsum(0) - counts)[line]
    shape = (len(rows), int(counts.max()) if len(counts) else 0)
    wide, where = torch.full(shape, -torch.inf), torch.zeros(shape, dtype=torch.int64)
    wide[line, place], where[line, place] = scores, columns
    return rows, wide, where
