"""The small text encoders that train from random numbers on a CPU.

Legend: B batch, T tokens, W width.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from modalities.layers import TransformerBlock, sincos
from modalities.report.encoder_options import BagOptions, TinyOptions
from modalities.report.options import ReportOptions
from modalities.report.tokens import PAD, vocabulary_size
from workbench.encoder import Encoder, Features, masked_mean
from workbench.modality import Batch, Weights


class TinyText(Encoder):
    """Word embeddings, neighbourhoods of five words, transformer blocks, mean over the real words.

    The convolution over neighbours sees "no pleural effusion" as one thing from the first step; from
    random numbers and a few hundred reports, attention alone does not learn to.

    LoRA wraps the embedding too: with a frozen random base, words would otherwise keep the places
    that chance gave them.

    Args:
        options: size.
        vocabulary: number of token ids.
    """

    lora_targets = ("words", "near", "Wqkv", "out_proj", "fc1", "fc2")

    def __init__(self, options: TinyOptions, vocabulary: int) -> None:
        super().__init__()
        self.width = options.width
        self.words = nn.Embedding(vocabulary, options.width, padding_idx=PAD)
        self.near = nn.Conv1d(options.width, options.width, kernel_size=5, padding=2)
        self.layers = nn.ModuleList(
            TransformerBlock(options.width, options.heads, mlp_ratio=2.0)
            for _ in range(options.blocks)
        )
        self.norm = nn.LayerNorm(options.width)

    def forward(self, batch: Batch) -> Features:
        """Encode (B, T) ids."""
        x_BTW = self.words(batch.values)
        x_BTW = x_BTW + sincos(x_BTW.shape[1], self.width).to(x_BTW)
        if batch.valid is not None:
            # padding must look the same as the end of the text
            x_BTW = x_BTW * batch.valid.unsqueeze(-1)
        x_BTW = x_BTW + F.gelu(self.near(x_BTW.transpose(1, 2))).transpose(1, 2)
        for block in self.layers:
            x_BTW = block(x_BTW, batch.valid)
        x_BTW = self.norm(x_BTW)
        return Features(masked_mean(x_BTW, batch.valid), x_BTW, batch.valid)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the transformer blocks."""
        return list(self.layers)

    def patchify(self, values: Tensor) -> Tensor:
        """Return (B, T, 1): one id under each token."""
        return values.unsqueeze(-1)


class WordBag(Encoder):
    """Mean of word embeddings through one linear layer; the order of words is not seen.

    Args:
        options: size.
        vocabulary: number of token ids.
    """

    lora_targets = ("words", "project")

    def __init__(self, options: BagOptions, vocabulary: int) -> None:
        super().__init__()
        self.width = options.width
        self.words = nn.Embedding(vocabulary, options.width, padding_idx=PAD)
        self.project = nn.Linear(options.width, options.width)

    def forward(self, batch: Batch) -> Features:
        """Encode (B, T) ids; the tokens are the projected words."""
        tokens_BTW = self.project(self.words(batch.values))
        return Features(masked_mean(tokens_BTW, batch.valid), tokens_BTW, batch.valid)

    def blocks(self) -> Sequence[nn.Module]:
        """Return the projection, the only block."""
        return [self.project]

    def patchify(self, values: Tensor) -> Tensor:
        """Return (B, T, 1): one id under each token."""
        return values.unsqueeze(-1)


def text_tiny(encoder_options: TinyOptions, weights: Weights, options: ReportOptions) -> Encoder:
    """Build `TinyText` from random numbers."""
    del weights
    return TinyText(encoder_options, vocabulary_size(options))


def word_bag(encoder_options: BagOptions, weights: Weights, options: ReportOptions) -> Encoder:
    """Build `WordBag` from random numbers."""
    del weights
    return WordBag(encoder_options, vocabulary_size(options))
