"""What the fused loss must know of right answers and of pairs that may not be compared.

Where both are few they are lists, and the tiles of the table need no masks; else they are worked
out again for every tile. Legend: n queries, m candidates, D width, r x c a tile, P listed pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.objectives.pairs import Listed, Pairs

MINUS = float("-inf")
CHUNK = 4096
"""Listed pairs whose vectors are gathered at a time."""


@dataclass(frozen=True)
class Slopes:
    """Where gradients with respect to unit vectors are added up.

    Attributes:
        query: (n, D).
        candidate: (m, D).
    """

    query: Tensor
    candidate: Tensor


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
        self.rows, self.columns = pairs.row_used.nonzero()[:, 0], pairs.column_used.nonzero()[:, 0]
        row, column = _numbers(pairs.row_used), _numbers(pairs.column_used)
        self.right = Listed(row[right.rows], column[right.columns], right.weights)
        hidden = hidden[pairs.row_used[hidden[:, 0]] & pairs.column_used[hidden[:, 1]]]
        hidden = hidden[torch.argsort(hidden[:, 0], stable=True)]
        self.hidden = (row[hidden[:, 0]].contiguous(), column[hidden[:, 1]].contiguous())

    @property
    def counts(self) -> tuple[int, int]:
        """Number of rows and of columns that the two directions average over."""
        return len(self.rows), len(self.columns)

    def used(self, query: Tensor, candidate: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors that stand in the table."""
        chosen = [v if len(at) == len(v) else v.index_select(0, at)
                  for v, at in ((query, self.rows), (candidate, self.columns))]  # fmt: skip
        return chosen[0], chosen[1]

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

    def listed(
        self, query: Tensor, candidate: Tensor, share: slice, slopes: Slopes | None
    ) -> Tensor:
        """Return the sum of target times cosine over some rows, and subtract its gradient."""
        (n, m), right = self.counts, self.right
        right = right._replace(weights=right.weights.to(query.dtype))
        by_row = query.new_zeros(n).index_add_(0, right.rows, right.weights)
        by_column = query.new_zeros(m).index_add_(0, right.columns, right.weights)
        part = right.weights / by_row[right.rows] / n + right.weights / by_column[right.columns] / m
        part = 0.5 * (1 - self.smoothing) * part
        total = add_listed(
            query, candidate, of_share(share, Listed(right.rows, right.columns, part)), slopes
        )
        if self.smoothing > 0:
            total = total + self._spread(query, candidate, share, slopes)
        return total

    def _spread(
        self, query: Tensor, candidate: Tensor, share: slice, slopes: Slopes | None
    ) -> Tensor:
        """Return the even part of the targets: a product of sums, less the hidden pairs."""
        (n, m), (row, column) = self.counts, self.hidden
        even = 0.5 * self.smoothing
        by_row = even / n / (m - torch.bincount(row, minlength=n)).to(query.dtype)
        by_column = even / m / (n - torch.bincount(column, minlength=m)).to(query.dtype)
        whole, weighted = candidate.sum(0), by_column @ candidate
        mine = query[share]
        ours, shared = by_row[share] @ mine, mine.sum(0)
        if slopes is not None:
            slopes.query[share] -= by_row[share, None] * whole + weighted
            slopes.candidate.sub_(ours).addcmul_(by_column[:, None], shared[None], value=-1.0)
        hidden = Listed(row, column, -by_row[row] - by_column[column])
        return (
            ours @ whole
            + shared @ weighted
            + add_listed(query, candidate, of_share(share, hidden), slopes)
        )


class Many:
    """Right answers and forbidden pairs worked out for one tile at a time.

    Args:
        pairs: the comparison.
        smoothing: share of every target that is spread evenly.
        size: rows whose targets are summed at a time.
    """

    def __init__(self, pairs: Pairs, smoothing: float, size: int) -> None:
        self.pairs = pairs
        self.counts = (int(pairs.row_used.sum()), int(pairs.column_used.sum()))
        rows, columns = [torch.zeros(2, len(pairs), device=pairs.scale.device) for _ in range(2)]
        for start in range(0, len(pairs), size):
            block = slice(start, min(start + size, len(pairs)))
            right, valid = pairs.block(block, slice(0, len(pairs)))
            rows[:, block] = torch.stack([right.sum(1), valid.sum(1).float()])
            columns += torch.stack([right.sum(0), valid.sum(0).float()])
        share = torch.tensor([[1 - smoothing], [smoothing]], device=rows.device)
        self.by_row = 0.5 * share / self.counts[0] / rows.clamp_min(1e-30)
        self.by_column = 0.5 * share / self.counts[1] / columns.clamp_min(1e-30)
        self.smoothing = smoothing
        self.total = torch.zeros((), dtype=torch.float64, device=pairs.scale.device)

    def used(self, query: Tensor, candidate: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors that stand in the table: all; unused ones are hidden."""
        return query, candidate

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


def add_listed(query: Tensor, candidate: Tensor, pairs: Listed, slopes: Slopes | None) -> Tensor:
    """Return the weighted sum of the cosines of listed pairs, and subtract its gradient."""
    total = torch.zeros((), dtype=torch.float64, device=query.device)
    for start in range(0, len(pairs.rows), CHUNK):
        row, column, weight = (part[start : start + CHUNK] for part in pairs)
        left, right = query[row], candidate[column]
        total += weight.double() @ (left * right).sum(1).double()
        if slopes is not None:
            slopes.query.index_add_(0, row, right.mul_(-weight[:, None]))
            slopes.candidate.index_add_(0, column, left.mul_(-weight[:, None]))
    return total


def of_share(share: slice, pairs: Listed) -> Listed:
    """Return the listed pairs of some rows."""
    mine = (pairs.rows >= share.start) & (pairs.rows < share.stop)
    return Listed(*(part[mine] for part in pairs))


def _numbers(used: Tensor) -> Tensor:
    """Number the used rows from 0."""
    return used.long().cumsum(0) - 1
