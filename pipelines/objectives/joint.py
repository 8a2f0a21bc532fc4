"""A transformer over the tokens of several modalities at once.

Legend: N items, T tokens of a modality, D shared width, W width of the joint encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from pipelines.attention import Block


class JointEncoder(nn.Module):
    """Every token attends to the tokens of all modalities of its item, and to a class token.

    Where a token stands, its own encoder told it; which modality it is of, the layer by which it
    enters tells.

    Args:
        names: modalities that may come.
        dim: D.
        width: W.
        depth: blocks.
        heads: attention heads.
    """

    def __init__(
        self, names: Sequence[str], dim: int, *, width: int, depth: int, heads: int
    ) -> None:
        super().__init__()
        self.enter = nn.ModuleDict({slot(name): nn.Linear(dim, width) for name in names})
        self.first = nn.Parameter(0.02 * torch.randn(width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(
        self, tokens: Mapping[str, Tensor], valid: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the (N, W) class token, and (N, T, W) tokens by modality.

        Args:
            tokens: (N, T, D) by modality.
            valid: (N, T) bool by modality; what stands elsewhere counts nowhere.
        """
        entered = [
            self.enter[slot(k)](torch.where(valid[k][..., None], v, torch.zeros_like(v)))
            for k, v in tokens.items()
        ]
        count = len(entered[0])
        x = torch.cat([self.first.to(entered[0].dtype).expand(count, 1, -1), *entered], dim=1)
        here = torch.ones(count, 1, dtype=torch.bool, device=x.device)
        seen = torch.cat([here, *(valid[k] for k in tokens)], dim=1)
        for block in self.blocks:
            x = block(x, seen)
        first, *parts = self.norm(x).split([1, *(t.shape[1] for t in tokens.values())], dim=1)
        return first.squeeze(1), dict(zip(tokens, parts, strict=True))


def slot(name: str) -> str:
    """Return the key of a modality in a module dictionary, which may not contain a dot."""
    return f"of {name.replace('.', '·')}"
