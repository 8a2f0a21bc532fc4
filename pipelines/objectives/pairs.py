"""One edge of one batch: scores, right answers and masks, a block of rows at a time.

Legend: B rows of the batch, r rows of a block.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from eval.scores.base import Score
from eval.scores.side import Side
from pipelines.objectives.entry import Edge
from pipelines.objectives.objective import Encoded, Items
from pipelines.objectives.targets import Block, Own

BLOCK = 512
"""Rows whose scores with all columns are held at a time."""

FEW = 16
"""Pairs are listed one by one while there are at most so many a row."""


class Listed(NamedTuple):
    """Pairs one by one: (P,) rows, (P,) columns, (P,) weights."""

    rows: Tensor
    columns: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Pairs:
    """A comparison of B queries with B candidates in one direction.

    Attributes:
        query: the rows.
        candidate: the columns.
        score: compares them.
        scale: scalar, one over the temperature.
        right: weights of right answers by block.
        row_used: (B,) bool, rows that have a right answer.
        column_used: (B,) bool, columns that are the right answer of some row.
        group: (B,) int64 codes; other rows of a group are never negatives. None: no exclusion.
        turned: True when rows are candidates and columns queries.
        listed: all right answers when they are few, else None.
    """

    query: Side
    candidate: Side
    score: Score
    scale: Tensor
    right: Block
    row_used: Tensor
    column_used: Tensor
    group: Tensor | None
    turned: bool = False
    listed: Listed | None = None

    def __len__(self) -> int:
        return len(self.query)

    @property
    def count(self) -> int:
        """Number of rows the loss averages over, in the whole batch."""
        return int(self.row_used.sum())

    def other_way(self) -> Pairs:
        """Return the same comparison with rows and columns exchanged."""
        right = self.right
        return replace(
            self, right=lambda rows, columns: right(columns, rows).T, turned=not self.turned,
            row_used=self.column_used, column_used=self.row_used, listed=None,
        )  # fmt: skip

    def logits(self, rows: slice) -> Tensor:
        """Return (r, B) scores over temperature, float32."""
        if self.turned:
            found: Tensor = self.score(self.query, self.candidate.at(rows)).T
        else:
            found = self.score(self.query.at(rows), self.candidate)
        return found * self.scale

    def block(self, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
        """Return (r, c) weights of right answers, and (r, c) bool of what may be compared."""
        right = self.right(rows, columns)
        valid = self.row_used[rows, None] & self.column_used[None, columns]
        if self.group is not None:
            other = (self.group[rows, None] == self.group[None, columns]) & (right == 0)
            valid = valid & ~other
        return torch.where(valid, right, torch.zeros_like(right)), valid


def pairs_of(
    encoded: Encoded, items: Items, edge: Edge, *, score: Score, scale: Tensor, right: Block,
    exclude_same_group: bool = True,
) -> Pairs:  # fmt: skip
    """Return the comparison of one edge.

    Rows and columns without a right answer are left out, so both directions see one batch.
    """
    query = side_of(encoded, (edge.query,))
    candidate = side_of(encoded, edge.candidates)
    rows, columns = query.any_present(), candidate.any_present()
    if isinstance(right, Own):
        row_used = column_used = rows & columns
        place = row_used.nonzero()[:, 0]
        listed: Listed | None = Listed(place, place, torch.ones_like(place, dtype=torch.float32))
    else:
        row_used, column_used, listed = _find(right, rows, columns)
    group = items.group if exclude_same_group else None
    return Pairs(query, candidate, score, scale, right, row_used, column_used, group, False, listed)


def same_group(group: Tensor) -> Tensor | None:
    """Return (P, 2) all pairs of different rows of one group, or None when they are not few."""
    _, place, counts = torch.unique(group, return_inverse=True, return_counts=True)
    if int((counts * (counts - 1)).sum()) > FEW * len(group):
        return None
    order = torch.argsort(place, stable=True)
    found = [order.new_zeros(0, 2)]
    for apart in range(1, int(counts.max())):
        near, far = order[:-apart], order[apart:]
        same = place[near] == place[far]
        one_way = torch.stack([near[same], far[same]], dim=1)
        found += [one_way, one_way.flip(1)]
    return torch.cat(found)


def _find(right: Block, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Listed | None]:
    """Return which rows and columns have a right answer, and the answers when they are few."""
    row_used, column_used, count = torch.zeros_like(rows), torch.zeros_like(columns), 0
    most = FEW * len(rows)
    # laid out beforehand: small tensors kept between large ones would pin the heap as it grows
    place = torch.empty(most, 2, dtype=torch.long, device=rows.device)
    weight = torch.empty(most, device=rows.device)
    for start, first in itertools.product(range(0, len(rows), BLOCK), repeat=2):
        down, across = slice(start, start + BLOCK), slice(first, first + BLOCK)
        weights = right(down, across)
        found = (weights > 0) & rows[down, None] & columns[None, across]
        row_used[down] |= found.any(dim=1)
        column_used[across] |= found.any(dim=0)
        before, count = count, count + int(found.sum())
        if count <= most:
            row, column = found.nonzero(as_tuple=True)
            weight[before:count] = weights[row, column]
            place[before:count, 0], place[before:count, 1] = row + start, column + first
    if count > most:
        return row_used, column_used, None
    return row_used, column_used, Listed(place[:count, 0], place[:count, 1], weight[:count])


def side_of(encoded: Encoded, names: tuple[str, ...]) -> Side:
    """Return the modalities of a batch that stand on one side of an edge."""
    parts = (encoded.emb, encoded.present, encoded.tokens, encoded.token_mask)
    return Side(*({k: part[k] for k in names if k in part} for part in parts))
