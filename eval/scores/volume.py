"""The volume score: how little space a query spans together with a candidate's modalities.

Legend: Q queries, C candidates, D shared width, k modalities of a candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from eval.scores.base import Score, wide
from eval.scores.side import Side

FLOOR = 1e-6
"""Added to a squared volume: the root of a volume that rounds to zero has no finite gradient."""

NEAR = 1e-8
"""Least squared length of what one modality adds to the others; below it vectors are equal."""


class Volume(Score):
    """Minus the volume of the parallelotope that a query and a candidate's vectors span.

    V is the root of the determinant of the Gram matrix of unit vectors [query, m_1, ..., m_k]
    (GRAM, arXiv 2412.11959): 1 when all are orthogonal, towards 0 when they point one way, and
    sqrt(1 - cosine^2) for one modality. An absent modality, or a vector of zeros, leaves the volume
    of the rest. The score sees no sign: V(q, -m) = V(q, m). A further modality can only shrink V,
    so that complete candidates rank before incomplete ones.
    """

    name: ClassVar[str] = "volume"
    bound: ClassVar[float | None] = 1.0 + FLOOR

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        del dim

    def forward(self, query: Side, candidate: Side) -> Tensor:
        """Return (Q, C) float32 scores, -V; a candidate without any modality scores -1.

        Raises:
            ValueError: both sides have several modalities.
        """
        if len(query.vectors) > 1 and len(candidate.vectors) == 1:
            return self.forward(candidate, query).T
        anchor = query.vectors[query.only()]
        with torch.autocast(device_type=anchor.device.type, enabled=False):
            others = [normalize(wide(v), dim=-1) for v in candidate.vectors.values()]
            held = [
                present & (unit != 0).any(dim=-1)
                for present, unit in zip(candidate.present.values(), others, strict=True)
            ]
            return -volume(normalize(wide(anchor), dim=-1), others, held)


def volume(query: Tensor, others: Sequence[Tensor], held: Sequence[Tensor]) -> Tensor:
    """Return (Q, C) volumes of every query with every candidate, at least 1e-3.

    Gram-Schmidt makes an orthonormal basis of each candidate's vectors once. The determinant is
    the product of the squared residuals, the query's own last: 1 minus its squared projections on
    the basis. Each modality thus costs one matrix product.

    Args:
        query: (Q, D) unit vectors.
        others: per modality, (C, D) unit vectors.
        held: per modality, (C,) bool; what is not held counts as if it were not there.
    """
    basis: list[Tensor] = []
    squared = query.new_ones(len(others[0]))
    left = query.new_ones(())
    for vectors, there in zip(others, held, strict=True):
        residual = vectors
        for axis in basis:
            residual = residual - (residual * axis).sum(-1, keepdim=True) * axis
        length = (residual * residual).sum(-1).clamp_min(NEAR)
        squared = squared * torch.where(there, length, torch.ones_like(length))
        basis.append(residual / length.sqrt().unsqueeze(-1) * there.unsqueeze(-1))
        left = left - (query @ basis[-1].T) ** 2
    return (squared * left.clamp_min(0.0) + FLOOR).sqrt()
