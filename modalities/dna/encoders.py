"""The small DNA encoder that learns from scratch on a CPU.

Legend: B batch, L bases, T tokens, W feature width.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from modalities.dna.alphabet import HIDDEN
from modalities.dna.entries import TinyOptions
from modalities.dna.options import DnaOptions
from modalities.layers import TransformerBlock, sincos
from workbench.encoder import Encoder, Features, masked_mean
from workbench.modality import Batch, Weights

STRIDE = 4
"""Bases under one token, as many as masking hides together."""


POSITION_SCALE = 0.1
"""Keeps the position from drowning the bases: what matters may start anywhere."""


class KmerBertTiny(Encoder):
    """A transformer over overlapping k-mers: each token stands for 4 bases and sees `window`.

    The window overlaps its neighbours', so a motif is found wherever the frame of reading starts.
    """

    lora_targets = ("stem", "mixer.Wqkv", "mixer.out_proj", "mlp.fc1", "mlp.fc2")

    def __init__(self, options: TinyOptions) -> None:
        super().__init__()
        self.width = options.width
        self.side = (options.window - STRIDE) // 2
        self.stem = nn.Conv1d(HIDDEN + 1, options.width, options.window, stride=STRIDE)
        self.trunk = nn.ModuleList(
            TransformerBlock(options.width, options.heads, mlp_ratio=2.0)
            for _ in range(options.depth)
        )
        self.norm = nn.LayerNorm(options.width)

    def forward(self, batch: Batch) -> Features:
        """Encode base codes (B, L); tokens (B, ceil(L / 4), W)."""
        values = _whole_tokens(batch.values)
        onehot = F.one_hot(values, HIDDEN + 1).to(self.stem.weight.dtype)
        if batch.valid is not None:
            onehot = (
                onehot * F.pad(batch.valid, (0, values.shape[1] - batch.valid.shape[1]))[..., None]
            )
        tokens = F.gelu(self.stem(F.pad(onehot.transpose(1, 2), (self.side, self.side))))
        tokens = tokens.transpose(1, 2)
        valid = None if batch.valid is None else self.patchify(batch.valid).any(dim=-1)
        tokens = tokens + POSITION_SCALE * sincos(tokens.shape[1], self.width).to(tokens)
        for block in self.trunk:
            tokens = block(tokens, valid)
        tokens = self.norm(tokens)
        return Features(masked_mean(tokens, valid), tokens, valid)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the stem, then the transformer blocks."""
        return [self.stem, *self.trunk]

    def patchify(self, values: Tensor) -> Tensor:
        """Cut (B, L) into the 4 bases under each token, (B, T, 4)."""
        whole = _whole_tokens(values)
        return whole.reshape(len(values), -1, STRIDE)


def kmer_bert_tiny(
    encoder_options: TinyOptions, weights: Weights, options: DnaOptions
) -> KmerBertTiny:
    """Build the small encoder from random numbers."""
    del weights, options
    return KmerBertTiny(encoder_options)


def _whole_tokens(values: Tensor) -> Tensor:
    """Pad (B, L) on the right to whole tokens; what is added counts as not valid, not hidden."""
    return F.pad(values, (0, -values.shape[1] % STRIDE))
