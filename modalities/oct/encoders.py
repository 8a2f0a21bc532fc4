"""The small spatio-temporal transformer that trains from scratch on one processor core.

Legend: B batch, D B-scans, H depth, W width of a B-scan, T tokens, C feature width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from modalities.layers import TransformerBlock, resize_grid, resize_line
from modalities.oct.cubes import CUBE, cut, pad_to, token_valid
from modalities.oct.entries import TinyOptions
from modalities.oct.options import OctOptions
from workbench.encoder import Encoder, Features, masked_mean
from workbench.modality import Batch, Weights


class TinyVit3d(Encoder):
    """Convolutional stem down to cubes of 3 x 16 x 16, then transformer blocks over the cubes."""

    lora_targets = ("stem.0", "stem.2", "stem.4", "Wqkv", "out_proj", "fc1", "fc2")

    def __init__(self, options: TinyOptions, grid: tuple[int, int, int]) -> None:
        super().__init__()
        C = options.width
        self.grid = grid
        self.width = 2 * C
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
        """Return the mean and the maximum over cubes as pooled features, (B, 2 C)."""
        x = self.stem(standardise(pad_to(batch.values, CUBE)))
        d, h, w = x.shape[2:]
        place = resize_grid(self.place, self.grid[1:], (h, w)).unsqueeze(1)
        time = resize_line(self.time, d).unsqueeze(2)
        x = x.flatten(2).transpose(1, 2) + (place + time).flatten(1, 2)
        valid = token_valid(batch, CUBE)
        for block in self.trunk:
            x = block(x, valid)
        x = self.norm(x)
        return Features(torch.cat([masked_mean(x, valid), _top(x, valid)], dim=1), x, valid)

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


def standardise(values: Tensor) -> Tensor:
    """Shift and scale each volume of (B, 1, D, H, W) to mean 0 and deviation 1 over its own voxels."""
    mean = values.mean(dim=(1, 2, 3, 4), keepdim=True)
    deviation = values.std(dim=(1, 2, 3, 4), keepdim=True)
    return (values - mean) / (deviation + 1e-3)


def _top(x_BTC: Tensor, valid_BT: Tensor | None) -> Tensor:
    """Return the largest value of each feature over the real tokens, (B, C)."""
    if valid_BT is None:
        return x_BTC.amax(dim=1)
    low = x_BTC.masked_fill(~valid_BT.unsqueeze(-1), torch.finfo(x_BTC.dtype).min)
    return torch.where(valid_BT.any(dim=1, keepdim=True), low.amax(dim=1), 0.0)
