"""The tiny X-ray encoder: a strided convolutional stem, then transformer blocks.

Legend: B batch, C channels, T tokens, W width; a token stands for 8 x 8 pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from modalities.layers import TransformerBlock, resize_grid
from modalities.xray import CnnVitTinyOptions, XrayOptions
from workbench.encoder import Encoder, Features, masked_mean
from workbench.errors import Failure
from workbench.modality import Batch, Options, Weights

PATCH = 8
_GRID = 8


class CnnVitTiny(Encoder):
    """Stem of three stride-2 convolutions with group norm, blocks, mean and maximum pooling.

    Args:
        channels: C of the input.
        options: width, depth, heads.
    """

    def __init__(self, channels: int, options: CnnVitTinyOptions) -> None:
        super().__init__()
        W = options.width
        self.width = 2 * W
        self.lora_targets = ("stem.0", "stem.3", "stem.6", "Wqkv", "out_proj", "fc1", "fc2")
        self.stem = nn.Sequential(
            nn.Conv2d(channels, W // 4, 5, stride=2, padding=2), nn.GroupNorm(4, W // 4), nn.GELU(),
            nn.Conv2d(W // 4, W // 2, 3, stride=2, padding=1), nn.GroupNorm(4, W // 2), nn.GELU(),
            nn.Conv2d(W // 2, W, 3, stride=2, padding=1),
        )  # fmt: skip
        self.position = nn.Parameter(torch.randn(1, _GRID * _GRID, W) * 0.02)
        self.layers = nn.ModuleList(
            TransformerBlock(W, options.heads, mlp_ratio=2.0) for _ in range(options.depth)
        )
        self.norm = nn.LayerNorm(W)

    def forward(self, batch: Batch) -> Features:
        """Encode (B, C, H, W); padding is black to the stem and absent from the pooling."""
        values, token_valid = batch.values, None
        if batch.valid is not None:
            valid = batch.valid.expand(-1, 1, *values.shape[2:])
            values = values * valid
            token_valid = nn.functional.max_pool2d(valid.float(), PATCH).flatten(1) > 0
        grid = self.stem(values)
        tokens = grid.flatten(2).transpose(1, 2)
        tokens = tokens + resize_grid(self.position, (_GRID, _GRID), tuple(grid.shape[2:]))
        for layer in self.layers:
            tokens = layer(tokens, token_valid)
        tokens = self.norm(tokens)
        pooled = torch.cat([masked_mean(tokens, token_valid), _maximum(tokens, token_valid)], dim=1)
        return Features(pooled, tokens, token_valid)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the stem, then the transformer blocks."""
        return [self.stem, *self.layers]

    def patchify(self, values: Tensor) -> Tensor:
        """Cut (B, C, H, W) into (B, T, C * 64), row by row."""
        return cut_patches(values, PATCH)


def cnn_vit_tiny(encoder_options: Options, weights: Weights, options: XrayOptions) -> Encoder:
    """Build the tiny encoder from random numbers.

    Raises:
        Failure: the picture's side is not a multiple of 8.
    """
    del weights
    if options.preset.size % PATCH:
        raise Failure(f"cnn_vit_tiny needs a size that 8 divides, not {options.preset.size}")
    assert isinstance(encoder_options, CnnVitTinyOptions)
    return CnnVitTiny(options.preset.channels, encoder_options)


def cut_patches(values: Tensor, side: int) -> Tensor:
    """Cut (B, C, H, W) into square patches, (B, T, C * side * side), row by row."""
    B, C, H, W = values.shape
    grid = values.reshape(B, C, H // side, side, W // side, side)
    return grid.permute(0, 2, 4, 1, 3, 5).reshape(B, -1, C * side * side)


def _maximum(tokens: Tensor, valid: Tensor | None) -> Tensor:
    """Return the largest value of every feature over the real tokens, (B, W)."""
    if valid is None:
        return tokens.amax(dim=1)
    alone = valid | ~valid.any(dim=1, keepdim=True)
    return tokens.masked_fill(~alone.unsqueeze(-1), float("-inf")).amax(dim=1)
