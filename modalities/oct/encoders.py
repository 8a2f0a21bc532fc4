"""The small spatio-temporal transformer that trains from scratch on one processor core.

Legend: B batch, D B-scans, H depth, W width of a B-scan, T tokens, C feature width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from modalities.drop_tokens import draw_kept
from modalities.layers import TransformerBlock, resize_grid, resize_line
from modalities.oct.cubes import CUBE, cut, pad_to, token_valid
from modalities.oct.entries import TinyOptions
from modalities.oct.options import OctOptions
from workbench.encoder import Encoder, Features, masked_mean
from workbench.modality import Batch, Weights


class TinyVit3d(Encoder):
    """Convolutional stem down to cubes of 3 x 16 x 16, then transformer blocks over the cubes."""

    lora_targets = ("stem.2", "stem.4", "Wqkv", "out_proj", "fc1", "fc2")

    def __init__(self, options: TinyOptions, grid: tuple[int, int, int]) -> None:
        super().__init__()
        C = options.width
        self.grid = grid
        self.width = 2 * C
        self.drop_tokens = options.drop_tokens
        self.stem = nn.Sequential(
            nn.Conv3d(1, C // 4, (1, 6, 6), stride=(1, 4, 4), padding=(0, 1, 1)), nn.GELU(),
            nn.Conv3d(C // 4, C // 2, 3, stride=(1, 2, 2), padding=1), nn.GELU(),
            nn.Conv3d(C // 2, C, (3, 2, 2), stride=(3, 2, 2)),
        )  # fmt: skip
        self.place = nn.Parameter(torch.randn(1, grid[1] * grid[2], C) * 0.02)
        self.time = nn.Parameter(torch.randn(1, grid[0], C) * 0.02)
        self.trunk = nn.ModuleList(
            TransformerBlock(C, options.heads, mlp_ratio=2.0) for _ in range(options.depth)
        )
        self.norm = nn.LayerNorm(C)

    def forward(self, batch: Batch) -> Features:
        """Return how much the tokens and the stem's own features vary over the volume, (B, 2 C).

        A lesion fills few cubes: it hardly moves their mean, which the average eye dominates, but
        it widens their spread.
        """
        x = self.stem(pad_to(standardise(batch), CUBE))
        d, h, w = x.shape[2:]
        local = x.flatten(2).transpose(1, 2)
        place = resize_grid(self.place, self.grid[1:], (h, w)).unsqueeze(1)
        time = resize_line(self.time, d).unsqueeze(2)
        x = local + (place + time).flatten(1, 2)
        valid, kept = token_valid(batch, CUBE), None
        still = spread(local, valid)
        if self.training and self.drop_tokens:
            kept = draw_kept(x, valid, self.drop_tokens)
            x, valid = kept.take(x), kept.valid
        for block in self.trunk:
            x = block(x, valid)
        x = self.norm(x)
        pooled = torch.cat([spread(x, valid), still], dim=1)
        if kept is not None:
            return Features(pooled, kept.put_back(x), kept.places())
        return Features(pooled, x, valid)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the stem, then the transformer blocks."""
        return [self.stem, *self.trunk]

    def patchify(self, values: Tensor) -> Tensor:
        """Cut (B, 1, D, H, W) into the voxels of each cube, (B, T, 768)."""
        return cut(pad_to(values, CUBE), CUBE)


def build_tiny(encoder_options: TinyOptions, weights: Weights, options: OctOptions) -> Encoder:
    """Build `vit3d_tiny` for the input shape of the modality's options."""
    del weights
    frames, height, width = options.shape
    grid = (-(-frames // CUBE[0]), -(-height // CUBE[1]), -(-width // CUBE[2]))
    return TinyVit3d(encoder_options, grid)


def spread(x_BTC: Tensor, valid_BT: Tensor | None) -> Tensor:
    """Return the logarithm of each feature's deviation over the real tokens, (B, C)."""
    mean = masked_mean(x_BTC, valid_BT).unsqueeze(1)
    return 0.5 * torch.log(masked_mean((x_BTC - mean) ** 2, valid_BT) + 1e-6)


def standardise(batch: Batch) -> Tensor:
    """Shift and scale each volume (B, 1, D, H, W) to mean 0 and deviation 1 over its real voxels."""
    values, axes = batch.values, (1, 2, 3, 4)
    if batch.valid is None:
        mean, variance = values.mean(axes, keepdim=True), values.var(axes, keepdim=True)
    else:
        real = batch.valid.expand_as(values).to(values.dtype)
        count = real.sum(axes, keepdim=True).clamp_min(1.0)
        mean = (values * real).sum(axes, keepdim=True) / count
        variance = ((values - mean) ** 2 * real).sum(axes, keepdim=True) / count
    return (values - mean) / (variance.sqrt() + 1e-3)
