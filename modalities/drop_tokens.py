"""Leaves a random share of a transformer's tokens out in training, as DropToken of VATT does.

Akbari et al. 2021, arXiv 2104.11178. Legend: B batch, T tokens, K tokens kept, W feature width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Kept:
    """Which tokens of a batch a step encodes.

    Attributes:
        index: (B, K) int64 places, ascending within a row.
        valid: (B, K) bool, False where a row has fewer than K; None when all have K.
        total: T.
    """

    index: Tensor
    valid: Tensor | None
    total: int

    def take(self, x_BTW: Tensor) -> Tensor:
        """Return the kept tokens, (B, K, W)."""
        return x_BTW.gather(1, self.index[..., None].expand(-1, -1, x_BTW.shape[2]))

    def put_back(self, x_BKW: Tensor) -> Tensor:
        """Return (B, T, W) with every token in its place, zeros where none was kept."""
        rows, _, width = x_BKW.shape
        whole = x_BKW.new_zeros(rows, self.total, width)
        if self.valid is not None:
            x_BKW = x_BKW * self.valid[..., None]
        return whole.scatter_add(1, self.index[..., None].expand(-1, -1, width), x_BKW)

    def places(self) -> Tensor:
        """Return (B, T) bool, True for the tokens that were kept."""
        found = torch.zeros(len(self.index), self.total, dtype=torch.bool, device=self.index.device)
        here = torch.ones_like(self.index, dtype=torch.bool) if self.valid is None else self.valid
        return found.scatter(1, self.index, here)


def draw_kept(x_BTW: Tensor, valid_BT: Tensor | None, share: float) -> Kept:
    """Draw the tokens to keep: of each row's real ones all but the share, at least one.

    The numbers come from torch's own generator, as those of dropout do.

    Args:
        x_BTW: tokens, of which only the shape counts.
        valid_BT: bool, False for padding; None = every token is real.
        share: of the tokens to leave out, 0 <= share < 1.
    """
    rows, total, _ = x_BTW.shape
    drawn = torch.rand(rows, total, device=x_BTW.device)
    if valid_BT is None:
        count = _count(total, share)
        index = drawn.argsort(dim=1)[:, :count].sort(dim=1).values
        return Kept(index, None, total)
    counts = torch.tensor([_count(int(n), share) for n in valid_BT.sum(dim=1)])
    # padding sorts behind every real token, so a row's first places are its own
    order = drawn.masked_fill(~valid_BT, 2.0).argsort(dim=1)[:, : int(counts.max())]
    valid = torch.arange(order.shape[1])[None] < counts[:, None]
    valid = valid.to(order.device) & valid_BT.gather(1, order)
    index, place = order.sort(dim=1)
    return Kept(index, valid.gather(1, place), total)


@contextmanager
def thinned(block: nn.Module, share: float, *, tokens: int) -> Iterator[list[Kept]]:
    """Let a block of a foreign network, and so all after it, see only the tokens drawn.

    Leading class and register tokens always stay. Yields a list that holds what was kept once the
    block has run.

    Args:
        block: takes (B, leading + T, W) as its first argument or as `hidden_states`.
        share: of the tokens to leave out.
        tokens: T.
    """
    found: list[Kept] = []

    def cut(
        module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        del module
        hidden: Tensor = args[0] if args else kwargs["hidden_states"]
        leading, rest = hidden.split([hidden.shape[1] - tokens, tokens], dim=1)  # type: ignore[no-untyped-call]
        found.append(draw_kept(rest, None, share))
        hidden = torch.cat([leading, found[-1].take(rest)], dim=1)
        return (
            ((hidden, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": hidden})
        )

    handle = block.register_forward_pre_hook(cut, with_kwargs=True)
    try:
        yield found
    finally:
        handle.remove()


def both(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Return the places at which both masks are True; None is True everywhere."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _count(real: int, share: float) -> int:
    return max(1, math.ceil((1.0 - share) * real))
