"""Vision transformers for twelve-lead ECGs: a convolutional stem over all leads, then one token a patch.

Legend: B batch, L samples, T tokens, W width, P samples x leads under one token.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from modalities.drop_tokens import draw_kept
from modalities.ecg.encoder_options import Vit1dOptions
from modalities.ecg.options import ECGOptions
from modalities.layers import TransformerBlock, resize_line, sincos
from workbench.encoder import Encoder, Features, masked_mean
from workbench.modality import Batch, Weights


class Vit1d(Encoder):
    """ViT over time: the stem turns `patch` samples of all leads into one token.

    Two convolutions as in MoRE (patch samples per step, then width), with layer norm over channels in
    place of batch norm, so that an output never depends on the batch or on padding.

    Args:
        options: sizes.
        length: L of the modality's samples, which fixes the number of position vectors.
    """

    lora_targets = ("Wqkv", "out_proj", "fc1", "fc2", "stem.narrow", "stem.wide")

    def __init__(self, options: Vit1dOptions, length: int) -> None:
        super().__init__()
        self.width = options.width
        self.patch = options.patch
        self.drop_tokens = options.drop_tokens
        self.stem = Stem(options)
        tokens = -(-length // options.patch)
        self.positions = nn.Parameter(0.5 * sincos(tokens, options.width))
        self.layers = nn.ModuleList(
            TransformerBlock(options.width, options.heads) for _ in range(options.depth)
        )
        self.norm = nn.LayerNorm(options.width, eps=1e-6)

    def forward(self, batch: Batch) -> Features:
        """Encode (B, 12, L); a token is valid where any lead was measured in its patch."""
        values, valid = batch.values, batch.valid
        if valid is not None:
            values = values * valid
        x_BTW = self.stem(_padded(values, self.patch))
        x_BTW = x_BTW + resize_line(self.positions, x_BTW.shape[1])
        valid_BT = None if valid is None else self._token_valid(valid.expand(values.shape))
        kept = None
        if self.training and self.drop_tokens:
            kept = draw_kept(x_BTW, valid_BT, self.drop_tokens)
            x_BTW, valid_BT = kept.take(x_BTW), kept.valid
        for layer in self.layers:
            x_BTW = layer(x_BTW, valid_BT)
        x_BTW = self.norm(x_BTW)
        pooled = masked_mean(x_BTW, valid_BT)
        if kept is not None:
            return Features(pooled, kept.put_back(x_BTW), kept.places())
        return Features(pooled, x_BTW, valid_BT)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the transformer blocks."""
        return list(self.layers)

    def patchify(self, values: Tensor) -> Tensor:
        """Cut (B, 12, L) into (B, T, 12 * patch), lead by lead inside a patch, the end padded with 0."""
        padded = _padded(values, self.patch)
        rows, leads, length = padded.shape
        cut = padded.reshape(rows, leads, length // self.patch, self.patch)
        return cut.transpose(1, 2).reshape(rows, length // self.patch, leads * self.patch)

    def _token_valid(self, valid: Tensor) -> Tensor:
        return self.patchify(valid).any(dim=2)


class Stem(nn.Module):
    """Turns (B, 12, L) into tokens (B, L / patch, W) by two convolutions."""

    def __init__(self, options: Vit1dOptions) -> None:
        super().__init__()
        reach = options.reach * 2 + options.patch
        self.narrow = nn.Conv1d(
            12, options.stem, reach, stride=options.patch, padding=options.reach
        )
        self.norm = nn.LayerNorm(options.stem, eps=1e-6)
        self.wide = nn.Conv1d(options.stem, options.width, 5, padding=2)

    def forward(self, values: Tensor) -> Tensor:
        """Return (B, T, W)."""
        x = self.norm(F.gelu(self.narrow(values)).transpose(1, 2))
        out: Tensor = self.wide(x.transpose(1, 2)).transpose(1, 2)
        return out


def build_vit1d(encoder_options: Vit1dOptions, weights: Weights, options: ECGOptions) -> Encoder:
    """Build a ViT for the modality's sample length, from scratch or from a local safetensors file.

    Raises:
        Refusal: weights that do not fit, key by key.
    """
    encoder = Vit1d(encoder_options, options.length)
    if not weights.scratch:
        from modalities.ecg.weights import load_local

        load_local(encoder, weights)
    return encoder


def _padded(values: Tensor, patch: int) -> Tensor:
    """Pad the end of (B, 12, L) with zeros to whole patches."""
    rest = -values.shape[-1] % patch
    return F.pad(values, (0, rest)) if rest else values
