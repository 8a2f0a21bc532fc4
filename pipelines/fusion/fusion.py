"""The contract of a fusion: vectors of any non-empty subset of modalities in, one vector out.

Legend: B rows, M modalities, D shared width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from workbench.fuse_config import FuseConfig

TINY = 1e-6
"""Least length that a sum of vectors is divided by."""


class Fusion(nn.Module, ABC):
    """One vector of length one per row, from the vectors of its present modalities.

    Only directions count: every vector is scaled to length one first, so that stored unit vectors
    fuse as raw ones do. A row without any modality gives zeros, and absent modalities get exactly
    no gradient.

    Attributes:
        of: the modalities, in the order of M.
        drop: chance that a present modality is left out of a training row.
        subsets: the subsets of `of` to evaluate.
    """

    def __init__(self, config: FuseConfig, dim: int) -> None:
        super().__init__()
        self.of = config.of
        self.drop = config.share_dropped()
        self.subsets = config.parts()
        self.dim = dim

    def forward(
        self,
        emb: Mapping[str, Tensor],
        present: Mapping[str, Tensor],
        draws: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return (B, D) float32 vectors of length one and (B,) bool, which rows have one.

        Args:
            emb: (B, D) per modality; a modality that is not given counts as absent, and what is
                not in `of` is left alone.
            present: (B,) bool per modality.
            draws: (B, M) uniform numbers in [0, 1) keyed by row, which decide what a training row
                leaves out; None leaves nothing out.

        Raises:
            ValueError: none of the modalities is given.
        """
        given = [name for name in self.of if name in emb]
        if not given:
            raise ValueError(f"a fusion of {list(self.of)} was given {sorted(emb)}")
        zero, nowhere = torch.zeros_like(emb[given[0]]), torch.zeros_like(present[given[0]])
        there = torch.stack([present[n] if n in emb else nowhere for n in self.of], dim=1)
        raw = torch.stack([emb.get(n, zero) for n in self.of], dim=1).float()
        with torch.autocast(device_type=raw.device.type, enabled=False):
            unit = normalize(torch.where(there[..., None], raw, torch.zeros_like(raw)), dim=-1)
            if draws is not None and self.drop > 0:
                there = thinned(there, draws, self.drop)
            fused = self.combine(unit * there[..., None], there)
            fused = normalize(fused, dim=-1, eps=TINY)
        some = there.any(dim=1)
        return torch.where(some[:, None], fused, torch.zeros_like(fused)), some

    @abstractmethod
    def combine(self, unit_BMD: Tensor, there_BM: Tensor) -> Tensor:
        """Return (B, D) of any length.

        Args:
            unit_BMD: vectors of length one; zeros where a modality is absent or left out.
            there_BM: bool, False where it is.
        """


def thinned(there: Tensor, draws: Tensor, drop: float) -> Tensor:
    """Return (B, M) bool: what a row keeps, which is at least the one of its highest draw."""
    drawn = draws.masked_fill(~there, -1.0)
    highest = drawn == drawn.amax(dim=1, keepdim=True)
    return there & ((drawn >= drop) | highest)


def weighted(scores_BM: Tensor, there_BM: Tensor) -> Tensor:
    """Return the softmax of the scores over what is there, zeros for rows without anything."""
    safe = there_BM | ~there_BM.any(dim=1, keepdim=True)
    weights = scores_BM.masked_fill(~safe, float("-inf")).softmax(dim=1)
    return weights * there_BM
