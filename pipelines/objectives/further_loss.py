"""Scores of a block of rows with items that are not rows of the batch.

Legend: r rows of a block, K further items, D shared width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eval.scores.side import Side
from pipelines.objectives.pairs import Pairs

TOGETHER = 32
"""Rows scored with items of their own at a time: a score is a table, and only its blocks count."""


def opposite(pairs: Pairs) -> str:
    """Return the modality of the columns, which further items stand beside."""
    return (pairs.query if pairs.turned else pairs.candidate).only()


def side(name: str, vectors: Tensor) -> Side:
    """Return K (K, D) vectors of one modality as a side, all present."""
    present = torch.ones(len(vectors), dtype=torch.bool, device=vectors.device)
    return Side({name: vectors}, {name: present})


def against(pairs: Pairs, rows: slice, items: Side) -> Tensor:
    """Return (r, K) logits of every row of a block with the same K items."""
    here = (pairs.candidate if pairs.turned else pairs.query).at(rows)
    table: Tensor = pairs.score(items, here).T if pairs.turned else pairs.score(here, items)
    return table * pairs.scale


def against_own(pairs: Pairs, rows: slice, vectors: Tensor) -> Tensor:
    """Return (r, K) logits of every row with K items of its own, given as (r, K, D)."""
    name, (count, own, width) = opposite(pairs), vectors.shape
    parts = []
    for start in range(0, count, TOGETHER):
        mine = vectors[start : start + TOGETHER]
        block = slice(rows.start + start, rows.start + start + len(mine))
        table = against(pairs, block, side(name, mine.reshape(-1, width)))
        place = torch.arange(len(mine), device=vectors.device)
        parts.append(table.reshape(len(mine), len(mine), own)[place, place])
    return torch.cat(parts)
