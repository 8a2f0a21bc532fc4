"""One tower made of several: an item's vectors by each, side by side.

Legend: B rows, S towers, W encoder width, E shared width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from pipelines.towers import Projection, Tower
from workbench.encoder import Features
from workbench.modality import Batch


class JoinedEncoder(nn.Module):
    """Several encoders that read the same batch; (B, S W) pooled features, no tokens."""

    def __init__(self, encoders: Sequence[nn.Module]) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)

    def forward(self, batch: Batch) -> Features:
        """Return the pooled features side by side."""
        return Features(torch.cat([encoder(batch).pooled for encoder in self.encoders], dim=1))


class JoinedProjection(Projection):
    """Several projections, each of its own share of the features.

    Every share has length 1, so the cosine of two joined vectors is the mean cosine of the shares.
    """

    def __init__(self, projections: Sequence[Projection]) -> None:
        nn.Module.__init__(self)
        self.projections = nn.ModuleList(projections)
        widths = [projection.linear.in_features for projection in projections]
        self.bounds = [0, *accumulate(widths)]

    def forward(self, pooled_BW: Tensor) -> Tensor:
        """Return (B, S E), each share normalised."""
        shares = [
            projection(pooled_BW[:, start:end])
            for projection, start, end in zip(
                self.projections, self.bounds, self.bounds[1:], strict=False
            )
        ]
        return torch.cat([nn.functional.normalize(share, dim=-1) for share in shares], dim=-1)


def stacked(stages: Sequence[Mapping[str, Tower]]) -> dict[str, Tower]:
    """Return by modality one tower made of those of all stages, for inference."""
    found = {}
    for key in stages[0]:
        towers = [stage[key] for stage in stages]
        tower = Tower(JoinedEncoder([t.encoder for t in towers]), 1, 1)
        tower.head = JoinedProjection([t.head for t in towers])
        found[key] = tower.eval()
    return found
