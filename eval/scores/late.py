"""The late interaction score: every token of the query looks for its best token of the candidate.

Legend: Q queries, S their tokens, C candidates, T their tokens.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from torch import Tensor

from eval.scores.base import Score
from eval.scores.side import Side
from eval.scores.tokens import Tokens, autocast_off, products, table, tokens_of


class Late(Score):
    """Mean over the query's tokens of the largest cosine with any token of the candidate.

    ColBERT (arXiv 2004.12832) sums over the query's tokens, which `normalise: sum` does; the mean
    keeps long queries from having large scores (CLaMR). A candidate of several modalities offers
    the tokens of all. Padding is -inf before the maximum, so that it never wins, and never counts
    as a query's token. The score is not symmetric. An item without tokens has one, its pooled
    vector.

    Args:
        dim: D.
        normalise: "mean" or "sum" over the query's tokens.
    """

    name: ClassVar[str] = "late"
    tokens: ClassVar[bool] = True
    bound: ClassVar[float | None] = None

    def __init__(self, *, dim: int, normalise: Literal["mean", "sum"] = "mean") -> None:
        super().__init__()
        del dim
        self.normalise = normalise

    def forward(self, query: Side, candidate: Side) -> Tensor:
        """Return (Q, C) float32 scores."""
        with autocast_off(query):
            return table(self._compare, tokens_of(query), tokens_of(candidate))

    def _compare(self, query: Tokens, candidate: Tokens) -> Tensor:
        """Return (Q, C) scores of a block."""
        cosines_QSCT = products(query, candidate).masked_fill(~candidate.valid, -math.inf)
        best_QSC = cosines_QSCT.amax(dim=-1)
        summed = best_QSC.masked_fill(~query.valid[:, :, None], 0.0).sum(dim=1)
        if self.normalise == "sum":
            return summed
        return summed / query.valid.sum(dim=1, keepdim=True)
