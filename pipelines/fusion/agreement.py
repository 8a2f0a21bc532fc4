"""Fusion in which what modalities share counts as far as they agree.

Legend: B rows, M modalities, D shared width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pipelines.fusion.fusion import TINY, Fusion, weighted
from workbench.fuse_config import FuseConfig

MOMENTUM = 0.1


class Agreement(Fusion):
    """Attention over the present vectors, with their mean weighted by agreement as one more.

    Agreement is the mean cosine of a row's pairs, standardised by running statistics in training
    as outside it: a row's vector never depends on its neighbours. The joint vector counts by
    sigmoid(w * standardised + b); a row of one modality has none. The idea is that of FND-CLIP
    (Zhou et al. 2023, arXiv 2205.14304), for any number of modalities.
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, config: FuseConfig, dim: int) -> None:
        super().__init__(config, dim)
        self.slope, self.offset = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))
        self.attend = nn.Linear(dim, 1)
        self.joint = nn.Linear(dim, dim)
        for layer in (self.attend, self.joint):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("variance", torch.ones(()))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def combine(self, unit_BMD: Tensor, there_BM: Tensor) -> Tensor:
        """Return the attended sum of the vectors and their joint one."""
        agreed, several = agreement(unit_BMD, there_BM)
        if self.training:
            self._remember(agreed.detach()[several])
        standard = (agreed - self.mean) / (self.variance + TINY).sqrt()
        gate = torch.sigmoid(self.slope * standard + self.offset) * several
        middle = normalize(unit_BMD.sum(dim=1), dim=-1, eps=TINY)
        middle = middle + self.joint(middle)
        every = torch.cat([unit_BMD, middle[:, None]], dim=1)
        there = torch.cat([there_BM, several[:, None]], dim=1)
        weights = weighted(self.attend(every).squeeze(-1), there)
        weights = torch.cat([weights[:, :-1], weights[:, -1:] * gate[:, None]], dim=1)
        return (weights[..., None] * every).sum(dim=1)

    @torch.no_grad()
    def _remember(self, agreed: Tensor) -> None:
        """Move the running statistics; the first batch sets them."""
        if len(agreed) < 2:
            return
        share = MOMENTUM if int(self.batches) else 1.0
        self.mean.lerp_(agreed.mean(), share)
        self.variance.lerp_(agreed.var(correction=0), share)
        self.batches += 1


def agreement(unit_BMD: Tensor, there_BM: Tensor) -> tuple[Tensor, Tensor]:
    """Return (B,) the mean cosine over pairs of present modalities, and (B,) bool: any pair."""
    pairs = torch.triu(there_BM[:, :, None] & there_BM[:, None, :], diagonal=1)
    cosines = unit_BMD @ unit_BMD.transpose(1, 2)
    count = pairs.sum(dim=(1, 2))
    return (cosines * pairs).sum(dim=(1, 2)) / count.clamp_min(1), count > 0
