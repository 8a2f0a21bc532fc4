"""The segment attention score: a query attends to the segments of a candidate that suit it.

Legend: Q queries, C candidates, T segments (tokens) of a candidate.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from eval.scores.base import Score
from eval.scores.pooled import pooled
from eval.scores.side import Side
from eval.scores.tokens import Tokens, autocast_off, pooled_token, products, table, tokens_of

LEAST, MOST = 1e-2, 1e6  # of the temperature


class SegmentAttention(Score):
    """Sum over segments of attention times cosine, attention the softmax of cosine / temperature.

    a_k = softmax_k(<c_k, t> / temperature), s = sum_k a_k <c_k, t>, with t the query's pooled
    vector and c_k the candidate's segments, all of length one. A high temperature gives the mean of
    the segments' cosines, a low one the largest. After CoLLAP (arXiv 2410.02271), of which the
    abstract alone could be checked: that clips are weighed by attention and fused into one score
    is theirs; softmax of the cosine and its temperature are our reading. Padding is -inf before
    the softmax. An item without tokens has one, its pooled vector.

    Args:
        dim: D.
        temperature: of the attention, 0.01..1e6; where it starts if it is learned.
        learn: whether it is learned.
    """

    name: ClassVar[str] = "segment_attention"
    tokens: ClassVar[bool] = True
    bound: ClassVar[float | None] = 1.0 + 1e-5

    def __init__(self, *, dim: int, temperature: float = 0.1, learn: bool = True) -> None:
        super().__init__()
        del dim
        start = torch.full((1,), math.log(temperature))
        self.log_temperature = nn.Parameter(start, requires_grad=learn)

    def forward(self, query: Side, candidate: Side) -> Tensor:
        """Return (Q, C) float32 scores."""
        with autocast_off(query):
            return table(self._compare, pooled_token(pooled(query)), tokens_of(candidate))

    def weights(self, query: Side, candidate: Side) -> Tensor:
        """Return (Q, C, T) attention, which sums to one over a candidate's segments."""
        with autocast_off(query):
            segments = tokens_of(candidate)
            return self._attention(products(pooled_token(pooled(query)), segments)[:, 0], segments)

    def _compare(self, query: Tokens, candidate: Tokens) -> Tensor:
        """Return (Q, C) scores of a block."""
        cosines_QCT = products(query, candidate)[:, 0]
        return (self._attention(cosines_QCT, candidate) * cosines_QCT).sum(dim=-1)

    def _attention(self, cosines_QCT: Tensor, candidate: Tokens) -> Tensor:
        """Return (Q, C, T) attention; padding gets exactly none."""
        temperature = self.log_temperature.clamp(math.log(LEAST), math.log(MOST)).exp()
        logits = (cosines_QCT / temperature).masked_fill(~candidate.valid, -math.inf)
        return torch.softmax(logits, dim=-1)
