"""The codebook score: both sides are written in one small alphabet before they are compared.

Legend: N items, T tokens, D shared width, K codes.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

from eval.scores.base import Score
from eval.scores.side import Side
from eval.scores.tokens import CELLS, Tokens, autocast_off, tokens_of


class Codebook(Score):
    """Cosine of sparse mixtures of learned codes, which all modalities share.

    w = sparsemax(max over tokens of <token, code> / temperature), z = w C, score = cosine of the
    z of both sides: finite discrete tokens (FDT, arXiv 2303.14865). Padding is -inf before the
    maximum; the published code multiplies it by 0, so that a pad can win. Tokens and codes have
    length one here, which takes the place of the published division by sqrt(D), and the tower's
    projection of tokens that of its query layers. An item without tokens has one, its pooled
    vector. Codes start from a seed of their own, whatever was drawn before.

    Args:
        dim: D.
        size: K.
        temperature: of the mixture; lower is sparser.

    Attributes:
        codes: (K, D).
        temperature: scalar, which a schedule may lower.
    """

    name: ClassVar[str] = "fdt"
    tokens: ClassVar[bool] = True
    bound: ClassVar[float | None] = 1.0 + 1e-5
    temperature: Tensor

    def __init__(self, *, dim: int, size: int = 256, temperature: float = 0.1) -> None:
        super().__init__()
        drawn = torch.randn(size, dim, generator=torch.Generator().manual_seed(size))
        self.codes = nn.Parameter(normalize(drawn, dim=-1))
        self.register_buffer("temperature", torch.tensor(temperature))

    def forward(self, query: Side, candidate: Side) -> Tensor:
        """Return (Q, C) float32 scores."""
        with autocast_off(query):
            return self.single(query) @ self.single(candidate).T

    def single(self, side: Side) -> Tensor:
        """Return (N, D) float32 mixtures of codes, of length one."""
        with autocast_off(side):
            usage = self.usage(side)
            return normalize(usage @ self._unit(usage), dim=-1)

    def usage(self, side: Side) -> Tensor:
        """Return (N, K) share of every code in every item, rows summing to one, many of them 0."""
        with autocast_off(side):
            tokens = tokens_of(side)
            step = max(1, CELLS // (tokens.valid.shape[1] * len(self.codes)))
            again = torch.is_grad_enabled() and len(tokens) > step
            found = []
            for start in range(0, len(tokens), step):
                part = tokens.at(slice(start, start + step))
                found.append(
                    checkpoint(self._nearest, part, use_reentrant=False, preserve_rng_state=False)
                    if again else self._nearest(part)
                )  # fmt: skip
            near = torch.cat(found) if found else tokens.values.new_zeros(0, len(self.codes))
            return sparsemax(near / self.temperature)

    def _unit(self, like: Tensor) -> Tensor:
        """Return (K, D) codes of length one, as wide as what they are compared with."""
        return normalize(self.codes.to(like.dtype), dim=-1)

    def _nearest(self, tokens: Tokens) -> Tensor:
        """Return (N, K) largest cosine of each code with any token."""
        cosines_NTK = tokens.values @ self._unit(tokens.values).T
        return cosines_NTK.masked_fill(~tokens.valid[..., None], float("-inf")).amax(dim=1)


def sparsemax(logits: Tensor) -> Tensor:
    """Return the nearest point of the simplex, along the last axis (arXiv 1602.02068).

    >>> sparsemax(torch.tensor([1.0, 0.5, -1.0]))
    tensor([0.7500, 0.2500, 0.0000])
    """
    shifted = logits - logits.amax(dim=-1, keepdim=True).detach()
    falling = shifted.sort(dim=-1, descending=True).values
    count = torch.arange(1, logits.shape[-1] + 1, device=logits.device)
    total = falling.cumsum(dim=-1)
    size = (1 + count * falling > total).sum(dim=-1, keepdim=True)
    level = (total.gather(-1, size - 1) - 1) / size
    return (shifted - level).clamp_min(0.0)
