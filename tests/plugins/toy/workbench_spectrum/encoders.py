"""A small encoder: one token per 8 points, residual layers, the mean of the tokens.

Legend: B batch, L points, T tokens, W width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workbench.encoder import Encoder, Features, masked_mean
from workbench.modality import Batch, Options, Weights
from workbench_spectrum.read import SpectrumOptions

SEGMENT = 8
WIDTH = 64


class Tiny(Encoder):
    """Segments with their positions through residual layers.

    Args:
        length: L, which fixes the number of positions.
    """

    lora_targets = ("first", "second")

    def __init__(self, length: int) -> None:
        super().__init__()
        self.width = WIDTH
        self.embed = nn.Linear(SEGMENT, WIDTH)
        self.positions = nn.Parameter(0.02 * torch.randn(length // SEGMENT, WIDTH))
        self.layers = nn.ModuleList(Layer(WIDTH) for _ in range(2))

    def forward(self, batch: Batch) -> Features:
        """Encode (B, L); what is not valid counts as zero and is left out of the mean."""
        values = batch.values if batch.valid is None else batch.values * batch.valid
        x_BTW = self.embed(self.patchify(values)) + self.positions
        for layer in self.layers:
            x_BTW = layer(x_BTW)
        valid = None if batch.valid is None else self.patchify(batch.valid).any(dim=2)
        return Features(masked_mean(x_BTW, valid), x_BTW, valid)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the residual layers."""
        return list(self.layers)

    def patchify(self, values: Tensor) -> Tensor:
        """Cut (B, L) into (B, T, 8)."""
        return values.reshape(len(values), -1, SEGMENT)


class Layer(nn.Module):
    """A residual layer applied to every token alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, 3 * width)
        self.second = nn.Linear(3 * width, width)

    def forward(self, x_BTW: Tensor) -> Tensor:
        """Return (B, T, W)."""
        inside = nn.functional.gelu(self.first(self.norm(x_BTW)))
        out: Tensor = x_BTW + self.second(inside)
        return out


def build_tiny(encoder_options: Options, weights: Weights, options: SpectrumOptions) -> Encoder:
    """Build the encoder from scratch."""
    return Tiny(options.points)
