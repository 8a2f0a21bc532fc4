"""Fusion by a small transformer that is trained on random subsets of the modalities.

Legend: B rows, M modalities, D shared width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipelines.attention import Block
from pipelines.fusion.fusion import Fusion
from workbench.fuse_config import FuseConfig


class Stochastic(Fusion):
    """One token per modality, attention over those there, their mean pooled.

    What attention finds is added to the sum of the vectors; its last layer starts at zero, so that
    training starts from the mean. Leaving modalities out at random in training makes one model
    serve every subset, as in UrbanFusion (arXiv 2510.13774).
    """

    def __init__(self, config: FuseConfig, dim: int) -> None:
        super().__init__(config, dim)
        self.kinds = nn.Parameter(0.02 * torch.randn(len(config.of), dim))
        self.blocks = nn.ModuleList(Block(dim, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, dim, bias=False)
        nn.init.zeros_(self.out.weight)

    def combine(self, unit_BMD: Tensor, there_BM: Tensor) -> Tensor:
        """Return the mean vector plus what attention adds to it."""
        # unit vectors have entries of about 1 / sqrt(D); layers expect about 1
        tokens = unit_BMD * self.dim**0.5 + self.kinds
        seen = there_BM | ~there_BM.any(dim=1, keepdim=True)
        for block in self.blocks:
            tokens = block(tokens, seen)
        weight = there_BM / there_BM.sum(dim=1, keepdim=True).clamp_min(1)
        pooled = (self.norm(tokens) * weight[..., None]).sum(dim=1)
        found: Tensor = (unit_BMD * weight[..., None]).sum(dim=1) + self.out(pooled)
        return found
