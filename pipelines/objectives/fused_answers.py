"""What the fused loss must know of right answers and of pairs that may not be compared.

Where both are few they are lists, and the tiles of the table need no masks; else they are worked
out again for every tile. Legend: n queries, m candidates, D width, r x c a tile, P listed pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pipelines.objectives.pairs import Listed, Pairs
from pipelines.objectives.unit_rows import CHUNK, UnitRows, tiles

MINUS = float("-inf")


class Few:
    """Right answers and forbidden pairs as lists, numbered among the used rows and columns.

    Args:
        pairs: the comparison.
        right: its right answers.
        hidden: (P, 2) rows and columns of the batch that may not be compared.
        smoothing: share of every target that is spread evenly.
    """

    def __init__(self, pairs: Pairs, right: Listed, hidden: Tensor, smoothing: float) -> None:
        self.smoothing = smoothing
        self.row_used, self.column_used = pairs.row_used, pairs.column_used
        self.counts = (int(pairs.row_used.sum()), int(pairs.column_used.sum()))
        row, column = _numbers(pairs.row_used), _numbers(pairs.column_used)
        self.right = Listed(row[right.rows], column[right.columns], right.weights)
        hidden = hidden[pairs.row_used[hidden[:, 0]] & pairs.column_used[hidden[:, 1]]]
        hidden = hidden[torch.argsort(hidden[:, 0], stable=True)]
        self.hidden = (row[hidden[:, 0]].contiguous(), column[hidden[:, 1]].contiguous())

    def used(self, query: Tensor, candidate: Tensor) -> tuple[UnitRows, UnitRows]:
        """Return the vectors that stand in the table."""
        return UnitRows(query, self.row_used), UnitRows(candidate, self.column_used)

    def hide(self, scores: Tensor, rows: slice, columns: slice, value: float = MINUS) -> None:
        """Write a value where a pair of this tile may not be compared."""
        row, column = self.hidden
        if not len(row):
            return
        bounds = torch.tensor([rows.start, rows.stop], device=row.device)
        low, high = torch.searchsorted(row, bounds).tolist()
        row, column = row[low:high] - rows.start, column[low:high] - columns.start
        here = (column >= 0) & (column < columns.stop - columns.start)
        scores[row[here], column[here]] = value

    def targets(self, scores: Tensor, rows: slice, columns: slice) -> Tensor | None:
        """Hide what may not be compared; the targets are added by `listed`."""
        self.hide(scores, rows, columns)
        return None

    def of_rows(self, sums: Tensor) -> Tensor:
        """Return the sums of used rows: all."""
        return sums

    def of_columns(self, sums: Tensor) -> Tensor:
        """Return the sums of used columns: all."""
        return sums

    def taken(self) -> Tensor:
        """Return what the targets of tiles took off the loss: nothing, `listed` does."""
        return self.right.weights.new_zeros(())

    def listed(self, query: UnitRows, candidate: UnitRows, share: slice) -> Tensor:
        """Return the sum of target times cosine over some rows, and subtract its gradient."""
        (n, m), right = self.counts, self.right
        right = right._replace(weights=right.weights.to(query.inverse.dtype))
        by_row = right.weights.new_zeros(n).index_add_(0, right.rows, right.weights)
        by_column = right.weights.new_zeros(m).index_add_(0, right.columns, right.weights)
        part = right.weights / by_row[right.rows] / n + right.weights / by_column[right.columns] / m
        part = 0.5 * (1 - self.smoothing) * part
        total = add_listed(
            query, candidate, of_share(share, Listed(right.rows, right.columns, part))
        )
        if self.smoothing > 0:
            total = total + self._spread(query, candidate, share)
        return total

    def _spread(self, query: UnitRows, candidate: UnitRows, share: slice) -> Tensor:
        """Return the even part of the targets: a product of sums, less the hidden pairs."""
        (n, m), (row, column) = self.counts, self.hidden
        even, kind = 0.5 * self.smoothing, query.inverse.dtype
        by_row = even / n / (m - torch.bincount(row, minlength=n)).to(kind)
        by_column = even / m / (n - torch.bincount(column, minlength=m)).to(kind)
        whole, weighted = (
            candidate.weighted(torch.ones_like(by_column)),
            candidate.weighted(by_column),
        )
        mine = torch.zeros_like(by_row)
        mine[share] = 1.0
        ours, shared = query.weighted(mine * by_row), query.weighted(mine)
        for rows in tiles(share, CHUNK):
            query.add(rows, -(by_row[rows, None] * whole + weighted))
        for columns in tiles(slice(0, m), CHUNK):
            candidate.add(columns, -(ours + by_column[columns, None] * shared))
        hidden = Listed(row, column, -by_row[row] - by_column[column])
        return (
            ours @ whole + shared @ weighted + add_listed(query, candidate, of_share(share, hidden))
        )


class Many:
    """Right answers and forbidden pairs worked out for one tile at a time.

    Args:
        pairs: the comparison.
        smoothing: share of every target that is spread evenly.
        size: rows and columns of a tile.
    """

    def __init__(self, pairs: Pairs, smoothing: float, size: tuple[int, int]) -> None:
        self.pairs = pairs
        self.counts = (int(pairs.row_used.sum()), int(pairs.column_used.sum()))
        rows, columns = [torch.zeros(2, len(pairs), device=pairs.scale.device) for _ in range(2)]
        every = slice(0, len(pairs))
        for down in tiles(every, size[0]):
            for across in tiles(every, size[1]):
                right, valid = pairs.block(down, across)
                rows[:, down] += torch.stack([right.sum(1), valid.sum(1).float()])
                columns[:, across] += torch.stack([right.sum(0), valid.sum(0).float()])
        share = torch.tensor([[1 - smoothing], [smoothing]], device=rows.device)
        self.by_row = 0.5 * share / self.counts[0] / rows.clamp_min(1e-30)
        self.by_column = 0.5 * share / self.counts[1] / columns.clamp_min(1e-30)
        self.smoothing = smoothing
        self.total = torch.zeros((), dtype=torch.float64, device=pairs.scale.device)

    def used(self, query: Tensor, candidate: Tensor) -> tuple[UnitRows, UnitRows]:
        """Return the vectors that stand in the table: all; unused ones are hidden."""
        return (
            UnitRows(query, self.pairs.row_used, whole=True),
            UnitRows(candidate, self.pairs.column_used, whole=True),
        )

    def hide(self, scores: Tensor, rows: slice, columns: slice, value: float = MINUS) -> None:
        """Write a value where a pair of this tile may not be compared."""
        scores.masked_fill_(~self.pairs.block(rows, columns)[1], value)

    def targets(self, scores: Tensor, rows: slice, columns: slice) -> Tensor | None:
        """Hide what may not be compared and return (r, c) targets, their product added up."""
        right, valid = self.pairs.block(rows, columns)
        near = self.by_row[:, rows, None] + self.by_column[:, None, columns]
        found = right * near[0]
        if self.smoothing > 0:
            found += valid * near[1]
        self.total = self.total + (found * scores).sum(dtype=torch.float64)
        scores.masked_fill_(~valid, MINUS)
        return found

    def of_rows(self, sums: Tensor) -> Tensor:
        """Return the sums of used rows."""
        return sums[self.pairs.row_used]

    def of_columns(self, sums: Tensor) -> Tensor:
        """Return the sums of used columns."""
        return sums[self.pairs.column_used]

    def taken(self) -> Tensor:
        """Return the products of targets and scores added up so far."""
        return self.total


def add_listed(query: UnitRows, candidate: UnitRows, pairs: Listed) -> Tensor:
    """Return the weighted sum of the cosines of listed pairs, and subtract its gradient."""
    total = torch.zeros((), dtype=torch.float64, device=pairs.weights.device)
    for start in range(0, len(pairs.rows), CHUNK):
        row, column, weight = (part[start : start + CHUNK] for part in pairs)
        left, right = query.at(row), candidate.at(column)
        total += weight.double() @ (left * right).sum(1).double()
        query.add(row, right.mul_(-weight[:, None]))
        candidate.add(column, left.mul_(-weight[:, None]))
    return total


def of_share(share: slice, pairs: Listed) -> Listed:
    """Return the listed pairs of some rows."""
    mine = (pairs.rows >= share.start) & (pairs.rows < share.stop)
    return Listed(*(part[mine] for part in pairs))


def _numbers(used: Tensor) -> Tensor:
    """Number the used rows from 0."""
    return used.long().cumsum(0) - 1
