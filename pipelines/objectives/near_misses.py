"""Draws for each row a candidate that is wrong, the likelier the closer it scores.

Legend: B rows of the batch, r rows of a block.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pipelines.objectives.objective import Items, Step
from pipelines.objectives.pairs import BLOCK, Pairs

FLOOR = 1e-4
"""Added to every probability, so that any wrong candidate may be drawn."""


@torch.no_grad()
def near_misses(pairs: Pairs, items: Items, step: Step, *, name: str) -> Tensor:
    """Return (B,) int64, a wrong column for each row, or -1 where there is none.

    The chance of a column is its softmax probability among all valid columns plus 1e-4; right
    answers and other rows of the same group are never drawn (as in ALBEF and TIP).

    Args:
        pairs: the comparison.
        items: its rows.
        step: gives one uniform number per row id.
        name: tells this draw from others of the step.
    """
    order = torch.argsort(items.ids)
    drawn = step.draw(items.ids, name)
    found = torch.full_like(items.ids, -1)
    for start in range(0, len(pairs), BLOCK):
        rows = slice(start, min(start + BLOCK, len(pairs)))
        right, valid = pairs.block(rows, slice(0, len(pairs)))
        logits = pairs.logits(rows).double().masked_fill(~valid, -1e30)
        chance = (logits.softmax(dim=1) + FLOOR) * (valid & (right == 0))
        # columns in the order of their ids, so that the order of the batch decides nothing
        heaped = chance[:, order].cumsum(dim=1)
        level = drawn[rows, None].clamp(max=1 - 2**-53) * heaped[:, -1:]
        place = order[(heaped > level).int().argmax(dim=1)]
        found[rows] = torch.where(heaped[:, -1] > 0, place, -1)
    return found
