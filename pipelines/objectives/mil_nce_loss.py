"""Noise contrast over bags: some member of the own bag is right, no matter which.

Formula: MIL-NCE as in VATT (arXiv 2104.11178, symmetric form), per direction
L_i = LSE(s/t over members of all bags) - LSE(s/t over members of the own bag).

Legend: r rows of a block, C candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from eval.scores.bags import Bags
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.mil_nce import MilNceOptions
from pipelines.objectives.token_scores_loss import TokenContrastive


class MilNce(TokenContrastive):
    """Two log-sum-exps a row: over every bag, and over the right ones together.

    A bag's score is already the log-sum-exp over its members, times the temperature; objective and
    score therefore hold one temperature, the same parameter.

    Args:
        options: see MilNceOptions.
        edges: the comparisons to sum.
        shapes: sizes of the shared space.
    """

    def __init__(self, options: MilNceOptions, edges: Sequence[Edge], shapes: Shapes) -> None:
        super().__init__(options, edges, shapes)
        if not isinstance(self.score, Bags):
            raise TypeError(f"expected the score of bags, found {type(self.score).__name__}")
        self.log_scale = self.score.log_scale

    def row_losses(self, logits: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Return (r,) LSE over what is compared less LSE over what is right; see Contrastive."""
        right = valid & (targets > 0)
        every = logits.masked_fill(~valid, float("-inf"))
        own = logits.masked_fill(~right, float("-inf"))
        return torch.logsumexp(every, dim=1) - torch.logsumexp(own, dim=1)
