"""Tokens of a side for the scores that compare them, and tables of scores made in blocks.

Legend: N items, T tokens, D shared width, Q queries, C candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

from eval.scores.base import wide
from eval.scores.side import Side

CELLS = 1 << 23
"""Token pairs compared at a time: 32 MB in float32."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of N items.

    Attributes:
        values: (N, T, D) of length one, float32 or float64.
        valid: (N, T) bool; at least one token of every item.
    """

    values: Tensor
    valid: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def at(self, rows: slice) -> Tokens:
        """Return some of the items."""
        return Tokens(self.values[rows], self.valid[rows])


def tokens_of(side: Side) -> Tokens:
    """Return the tokens of a side; those of several modalities stand one after another.

    A modality that an item holds without a single token counts as one, its pooled vector. An item
    that holds nothing has one token, which is the caller's to mask.
    """
    parts = [_modality(side, name) for name in side.vectors]
    valid = torch.cat([v for _, v in parts], dim=1)
    first = torch.arange(valid.shape[1], device=valid.device) == 0
    valid = valid | (~valid.any(dim=1, keepdim=True) & first)
    return Tokens(normalize(torch.cat([t for t, _ in parts], dim=1), dim=-1), valid)


def pooled_token(vectors: Tensor) -> Tokens:
    """Return (N, D) vectors as the one token of each item."""
    return Tokens(
        normalize(wide(vectors), dim=-1)[:, None], vectors.new_ones(len(vectors), 1).bool()
    )


def table(compare: Callable[[Tokens, Tokens], Tensor], query: Tokens, candidate: Tokens) -> Tensor:
    """Return (Q, C) scores, no more than `CELLS` token pairs at a time.

    Where a gradient is wanted every block is computed once more for it, so that memory holds the
    token pairs of one block only.
    """
    per_pair = query.valid.shape[1] * candidate.valid.shape[1]
    columns = max(1, min(len(candidate), CELLS // per_pair))
    rows = max(1, CELLS // (per_pair * columns))
    if rows >= len(query) and columns >= len(candidate):
        return compare(query, candidate)
    lines = []
    for top in range(0, len(query), rows):
        left = query.at(slice(top, top + rows))
        line = [
            _block(compare, left, candidate.at(slice(start, start + columns)))
            for start in range(0, len(candidate), columns)
        ]
        lines.append(torch.cat(line, dim=1))
    return torch.cat(lines)


def products(query: Tokens, candidate: Tokens) -> Tensor:
    """Return (Q, S, C, T) cosines of every token of S with every token of T, padding included."""
    shape = (*query.valid.shape, *candidate.valid.shape)
    width = query.values.shape[-1]
    flat = query.values.reshape(-1, width) @ candidate.values.reshape(-1, width).T
    return flat.reshape(shape)


def autocast_off(side: Side) -> torch.autocast:
    """Return the context in which scores are computed: float32, whatever the caller uses."""
    device = next(iter(side.vectors.values())).device.type
    return torch.autocast(device_type=device, enabled=False)


def _block(compare: Callable[[Tokens, Tokens], Tensor], query: Tokens, candidate: Tokens) -> Tensor:
    if not torch.is_grad_enabled():
        return compare(query, candidate)
    found: Tensor = checkpoint(
        compare, query, candidate, use_reentrant=False, preserve_rng_state=False
    )
    return found


def _modality(side: Side, name: str) -> tuple[Tensor, Tensor]:
    """Return (N, T, D) tokens of a modality, T at least 1, and (N, T) which of them count."""
    vectors, present = wide(side.vectors[name]), side.present[name].bool()
    if name not in side.tokens or side.tokens[name].shape[1] == 0:
        return vectors[:, None], present[:, None]
    tokens = wide(side.tokens[name])
    valid = side.token_valid[name].bool() & present[:, None]
    bare = present & ~valid.any(dim=1)
    first = torch.where(bare[:, None], vectors, tokens[:, 0])
    valid = torch.cat([valid[:, :1] | bare[:, None], valid[:, 1:]], dim=1)
    return torch.cat([first[:, None], tokens[:, 1:]], dim=1), valid
