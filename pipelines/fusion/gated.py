"""Fusion by gates: each vector says how much it counts.

Legend: B rows, M modalities, D shared width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipelines.fusion.fusion import Fusion, weighted
from workbench.fuse_config import FuseConfig


class Gated(Fusion):
    """Present vectors weighted by a learned function of their own.

    A softmax over the present modalities makes them compete; sigmoids let each count by itself.
    Gates start equal, so that training starts from the mean.
    """

    def __init__(self, config: FuseConfig, dim: int) -> None:
        super().__init__(config, dim)
        self.kind = config.gate
        self.weight = nn.Parameter(torch.zeros(len(config.of), dim))
        self.bias = nn.Parameter(torch.zeros(len(config.of)))

    def combine(self, unit_BMD: Tensor, there_BM: Tensor) -> Tensor:
        """Return the weighted sum."""
        return (self.gates(unit_BMD, there_BM)[..., None] * unit_BMD).sum(dim=1)

    def gates(self, unit_BMD: Tensor, there_BM: Tensor) -> Tensor:
        """Return (B, M) weights, 0 for what is not there."""
        scores = (unit_BMD * self.weight).sum(dim=-1) + self.bias
        if self.kind == "sigmoid":
            return scores.sigmoid() * there_BM
        return weighted(scores, there_BM)
