"""The bag score: a candidate is as close as the members of its bag are, the closest counting most.

Legend: Q queries, S members of a query's bag, C candidates, T members of a candidate's bag.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from eval.scores.base import Score
from eval.scores.pooled import pooled
from eval.scores.side import Side
from eval.scores.tokens import Tokens, autocast_off, pooled_token, products, table, tokens_of


class Bags(Score):
    """Log-sum-exp over bag members of their cosines: temperature * log sum exp(cosine / temperature).

    With logits score / temperature, a cross-entropy over candidates is the log-sum-exp over all
    members of all bags minus that over the members of the own bag: MIL-NCE as in VATT (arXiv
    2104.11178). The members are tokens; the side that is no bag is its pooled vector. Padding is
    -inf, so a bag holds what is real. An item without tokens is a bag of one, its pooled vector.
    A larger bag of equal members scores higher, as in the paper.

    Args:
        dim: D.
        bag: which side's tokens are a bag.
        temperature: where it starts.
        learn: whether it is learned.

    Attributes:
        log_scale: (1,) logarithm of one over the temperature.
    """

    name: ClassVar[str] = "mil_nce"
    tokens: ClassVar[bool] = True
    bound: ClassVar[float | None] = None

    def __init__(
        self, *, dim: int, bag: Literal["query", "candidate", "both"] = "candidate",
        temperature: float = 0.07, learn: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        del dim
        self.bag = bag
        start = torch.full((1,), -math.log(temperature))
        self.log_scale = nn.Parameter(start, requires_grad=learn)

    def forward(self, query: Side, candidate: Side) -> Tensor:
        """Return (Q, C) float32 scores."""
        with autocast_off(query):
            left = tokens_of(query) if self.bag != "candidate" else pooled_token(pooled(query))
            right = tokens_of(candidate) if self.bag != "query" else pooled_token(pooled(candidate))
            return table(self._compare, left, right)

    def _compare(self, query: Tokens, candidate: Tokens) -> Tensor:
        """Return (Q, C) scores of a block."""
        scale = self.log_scale.exp()
        real = query.valid[:, :, None, None] & candidate.valid
        logits_QSCT = (products(query, candidate) * scale).masked_fill(~real, -math.inf)
        return torch.logsumexp(logits_QSCT.transpose(1, 2).flatten(2), dim=-1) / scale
