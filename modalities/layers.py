"""Transformer layers that several encoders of this room are built from.

Legend: B batch, T tokens, W feature width, H heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  torch's own name for it


class Attention(nn.Module):
    """Self-attention with one fused projection, rows ordered query, key, value.

    Args:
        width: W.
        heads: H; divides W.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} heads")
        self.heads = heads
        self.Wqkv = nn.Linear(width, 3 * width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x_BTW: Tensor, valid_BT: Tensor | None = None) -> Tensor:
        """Return (B, T, W); no token looks at a token that is not valid."""
        B, T, W = x_BTW.shape
        qkv = self.Wqkv(x_BTW).reshape(B, T, 3, self.heads, W // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=_key_mask(valid_BT))
        out: Tensor = self.out_proj(y.transpose(1, 2).reshape(B, T, W))
        return out


class Mlp(nn.Module):
    """Two linear layers with a GELU between them, applied to every token alone."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x_BTW: Tensor) -> Tensor:
        """Return (B, T, W)."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x_BTW)))
        return out


class TransformerBlock(nn.Module):
    """Pre-norm block; LoRA can wrap `Wqkv`, `out_proj`, `fc1` and `fc2` by name.

    Args:
        width: W.
        heads: H.
        mlp_ratio: hidden width of the MLP over W.
        eps: of both layer norms.
        final_residual: False leaves out the last addition, so that the block returns
            `mlp(norm2(x + mixer(norm1(x))))`; some published checkpoints read their features there.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        mlp_ratio: float = 4.0,
        eps: float = 1e-6,
        final_residual: bool = True,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.mixer = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width, int(width * mlp_ratio))
        self.final_residual = final_residual

    def forward(self, x_BTW: Tensor, valid_BT: Tensor | None = None) -> Tensor:
        """Return (B, T, W).

        Args:
            x_BTW: tokens.
            valid_BT: bool, False for padding; None = every token is real.
        """
        residual = x_BTW + self.mixer(self.norm1(x_BTW), valid_BT)
        out: Tensor = self.mlp(self.norm2(residual))
        return residual + out if self.final_residual else out


class AttentionPool(nn.Module):
    """Average of the tokens, weighted by how well each answers a learned query.

    Args:
        width: W.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, tokens_BTW: Tensor, valid_BT: Tensor | None = None) -> Tensor:
        """Return (B, W); tokens that are not valid get no weight."""
        score_BT = self.score(tokens_BTW).squeeze(-1)
        if valid_BT is not None:
            score_BT = score_BT.masked_fill(~_at_least_one(valid_BT), float("-inf"))
        pooled: Tensor = (score_BT.softmax(dim=1).unsqueeze(-1) * tokens_BTW).sum(dim=1)
        return pooled


def resize_line(positions: Tensor, length: int) -> Tensor:
    """Interpolate position vectors (1, N, W) linearly to (1, length, W), ends not aligned."""
    if positions.shape[1] == length:
        return positions
    line = F.interpolate(positions.transpose(1, 2), size=length, mode="linear", align_corners=False)
    return line.transpose(1, 2)


def resize_grid(positions: Tensor, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Interpolate position vectors of an (h, w) grid bicubically to another grid.

    Args:
        positions: (1, h * w, W), row by row.
        old: (h, w) of `positions`.
        new: (h, w) wanted.
    """
    if old == new:
        return positions
    width = positions.shape[-1]
    grid = positions.reshape(1, *old, width).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=new, mode="bicubic", align_corners=False)
    return grid.permute(0, 2, 3, 1).reshape(1, new[0] * new[1], width)


def sincos(length: int, width: int) -> Tensor:
    """Return fixed sine and cosine position vectors, (1, length, width)."""
    place = torch.arange(length, dtype=torch.float32).unsqueeze(1)
    rate = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float32) / width)
    angle = place * rate
    table: Tensor = torch.cat([angle.sin(), angle.cos()], dim=1)[:, :width].unsqueeze(0)
    return table


def _key_mask(valid_BT: Tensor | None) -> Tensor | None:
    """Return the mask (B, 1, 1, T) that attention wants, or None."""
    return None if valid_BT is None else _at_least_one(valid_BT)[:, None, None, :]


def _at_least_one(valid_BT: Tensor) -> Tensor:
    """Let a row without any real token look at all of them, so that no row turns into NaN."""
    return valid_BT | ~valid_BT.any(dim=1, keepdim=True)
