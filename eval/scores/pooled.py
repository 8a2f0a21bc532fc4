"""The cosine score of sides: one vector per item, or the mean of those it has.

Legend: N items, D shared width.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from eval.scores.base import Score, wide
from eval.scores.side import Side


class Pooled(Score):
    """Cosine; an item of several modalities is the normalised mean of its present unit vectors."""

    name: ClassVar[str] = "cosine"

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        del dim

    def forward(self, query: Side, candidate: Side) -> Tensor:
        """Return (Q, C) float32 scores."""
        with torch.autocast(device_type=_device(query), enabled=False):
            return pooled(query) @ pooled(candidate).T

    def single(self, side: Side) -> Tensor:
        """Return (N, D) vectors whose cosine is the score."""
        return pooled(side)


def pooled(side: Side) -> Tensor:
    """Return (N, D) float32 vectors of length one; zeros where nothing is present."""
    parts = [_unit(vectors, side.present[name]) for name, vectors in side.vectors.items()]
    return parts[0] if len(parts) == 1 else normalize(torch.stack(parts).sum(0), dim=-1)


def _unit(vectors: Tensor, present: Tensor) -> Tensor:
    """Return vectors of length one, zeros where absent; no second copy where all are present."""
    found = normalize(wide(vectors), dim=-1)
    return found if bool(present.all()) else found * present.unsqueeze(-1)


def _device(side: Side) -> str:
    return next(iter(side.vectors.values())).device.type
