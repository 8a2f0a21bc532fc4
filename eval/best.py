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

if TYPE_CHECKING:
    from torch import Tensor

    from eval.scores import Cosine

Floats = NDArray[np.float32]

SPARE = 8  # more candidates than K, so that float32 rounding loses none of the K best
MANY = 8  # where more than one item in so many is a candidate, whole rows are sorted through


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

        mark, keep = self.scores[:, -1:], min(self.scores.shape[1], table.shape[1])
        lying = not table.is_contiguous()  # a tile read sideways is searched as it is in memory
        better = table.T > mark.T if lying else table > mark
        if int(better.count_nonzero()) * MANY > table.numel():
            scores, columns = table.contiguous().topk(keep, dim=1)
            return torch.arange(len(table)), scores, columns
        row, column = better.nonzero().unbind(1)
        if lying:
            order = column.argsort(stable=True)
            row, column = column[order], row[order]
        return _padded(row, table[row, column], column)

    def finish(self, score: Cosine, gallery: Floats) -> tuple[Ints, Reals]:
        """Return (n, K) items and their exact scores, ties by gallery number."""
        items = self.items.numpy()
        missing = self.scores.numpy() == -np.inf
        rows = np.repeat(np.arange(len(items)), items.shape[1])
        pairs = np.stack([rows, np.where(missing, 0, items).reshape(-1)], axis=1)
        exact = exact_pairs(score, self.query, gallery, pairs=pairs)
        exact = np.where(missing, -np.inf, exact.reshape(items.shape))
        order = np.lexsort((items, -exact))[:, : self.top]
        chosen = np.take_along_axis(np.where(missing, -1, items), order, axis=1)
        scores = np.take_along_axis(np.where(missing, np.nan, exact), order, axis=1)
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
