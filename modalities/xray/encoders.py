"""The tiny X-ray encoder: residual convolutions down to one token per 8 x 8 pixels, then attention.

Legend: B batch, C channels, T tokens, W width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from modalities.drop_tokens import draw_kept
from modalities.layers import TransformerBlock, resize_grid
from modalities.xray.batches import token_valid
from modalities.xray.encoder_options import CnnVitTinyOptions
from modalities.xray.options import XrayOptions
from workbench.encoder import Encoder, Features, masked_mean
from workbench.errors import Failure
from workbench.modality import Batch, Options, Weights

PATCH = 8
_GRID = 8
_GROUPS = 4


class _Residual(nn.Module):
    """One convolution added to its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(F.gelu(self.norm(x)))
        return x + out


class CnnVitTiny(Encoder):
    """Three stride-2 convolutions and two residual ones, blocks, mean and maximum pooling.

    Exposure is taken out first: each picture is brought to mean 0 and deviation 1. The maximum is
    taken before the blocks: it keeps what shows in one place only, which a mean over 64 tokens
    drowns, and masked pretraining, which asks the blocks for smooth pictures, leaves it alone.

    Args:
        channels: C of the input.
        options: width, depth, heads.
    """

    lora_targets = ("first", "second", "third", "conv", "Wqkv", "out_proj", "fc1", "fc2")

    def __init__(self, channels: int, options: CnnVitTinyOptions) -> None:
        super().__init__()
        W = options.width
        self.width = 2 * W
        self.drop_tokens = options.drop_tokens
        self.first = nn.Conv2d(channels, W // 4, 5, stride=2, padding=2)
        self.second = nn.Conv2d(W // 4, W // 2, 3, stride=2, padding=1)
        self.middle = _Residual(W // 2)
        self.third = nn.Conv2d(W // 2, W, 3, stride=2, padding=1)
        self.last = _Residual(W)
        self.norms = nn.ModuleList(nn.GroupNorm(_GROUPS, w) for w in (W // 4, W // 2))
        self.position = nn.Parameter(torch.zeros(1, _GRID * _GRID, W))
        self.local = nn.GroupNorm(_GROUPS, W)
        self.layers = nn.ModuleList(
            TransformerBlock(W, options.heads, mlp_ratio=2.0) for _ in range(options.depth)
        )
        self.norm = nn.LayerNorm(W)
        with torch.no_grad():  # blocks begin as a small correction, so that features start local
            for layer in self.layers:
                for name, weight in layer.named_parameters():
                    if name in ("mixer.out_proj.weight", "mlp.fc2.weight"):
                        weight.mul_(0.1)

    def forward(self, batch: Batch) -> Features:
        """Encode (B, C, H, W); padding is grey to the convolutions and absent from the pooling."""
        valid_BT = token_valid(batch, PATCH)
        x = F.gelu(self.norms[0](self.first(_standardised(batch))))
        x = self.middle(self.second(x))
        x = self.last(self.third(F.gelu(self.norms[1](x))))
        peak = _maximum(F.gelu(self.local(x)).flatten(2).transpose(1, 2), valid_BT)
        places = resize_grid(self.position, (_GRID, _GRID), (x.shape[2], x.shape[3]))
        tokens = x.flatten(2).transpose(1, 2) + places
        kept = None
        if self.training and self.drop_tokens:
            kept = draw_kept(tokens, valid_BT, self.drop_tokens)
            tokens, valid_BT = kept.take(tokens), kept.valid
        for layer in self.layers:
            tokens = layer(tokens, valid_BT)
        tokens = self.norm(tokens)
        pooled = torch.cat([masked_mean(F.gelu(tokens), valid_BT), peak], dim=1)
        if kept is not None:
            return Features(pooled, kept.put_back(tokens), kept.places())
        return Features(pooled, tokens, valid_BT)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the convolutional stages, then the transformer blocks."""
        return [self.first, self.second, self.middle, self.third, self.last, *self.layers]

    def patchify(self, values: Tensor) -> Tensor:
        """Cut (B, C, H, W) into (B, T, C * 64), row by row."""
        return cut_patches(values, PATCH)


def cnn_vit_tiny(encoder_options: Options, weights: Weights, options: XrayOptions) -> Encoder:
    """Build the tiny encoder from random numbers.

    Raises:
        Failure: the picture's side is not a multiple of 8.
    """
    del weights
    if not isinstance(encoder_options, CnnVitTinyOptions):
        raise Failure(f"cnn_vit_tiny takes no {type(encoder_options).__name__}")
    if options.preset.size % PATCH:
        raise Failure(f"cnn_vit_tiny needs a size that {PATCH} divides, not {options.preset.size}")
    return CnnVitTiny(options.preset.channels, encoder_options)


def cut_patches(values: Tensor, side: int) -> Tensor:
    """Cut (B, C, H, W) into square patches, (B, T, C * side * side), row by row."""
    B, C, H, W = values.shape
    grid = values.reshape(B, C, H // side, side, W // side, side)
    return grid.permute(0, 2, 4, 1, 3, 5).reshape(B, -1, C * side * side)


def _standardised(batch: Batch) -> Tensor:
    """Bring the picture part of every row to mean 0 and deviation 1; padding becomes 0."""
    values = batch.values
    real = torch.ones_like(values) if batch.valid is None else batch.valid.expand_as(values).float()
    count = real.sum((1, 2, 3), keepdim=True).clamp_min(1)
    centred = (values - (values * real).sum((1, 2, 3), keepdim=True) / count) * real
    deviation = (centred.square().sum((1, 2, 3), keepdim=True) / count).sqrt()
    return centred / (deviation + 1e-3)


def _maximum(tokens: Tensor, valid: Tensor | None) -> Tensor:
    """Return the largest value of every feature over the real tokens, (B, W)."""
    if valid is None:
        return tokens.amax(dim=1)
    kept = valid | ~valid.any(dim=1, keepdim=True)
    return tokens.masked_fill(~kept.unsqueeze(-1), float("-inf")).amax(dim=1)
