"""Logistic loss of every pair by itself.

Formula: SigLIP (arXiv 2303.15343), the sum over all pairs of log(1 + exp(x)) - y x with
x = scale * score + bias, divided by the number of queries. Legend: B rows, r rows of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.fused import fits
from pipelines.objectives.fused_sigmoid import fused_sigmoid
from pipelines.objectives.objective import Encoded, Items, Step
from pipelines.objectives.pairs import Pairs
from pipelines.objectives.sigmoid import SigmoidOptions


@dataclass(frozen=True)
class BiasedPairs(Pairs):
    """A comparison with the bias of its edge.

    Attributes:
        bias: scalar added to every score over temperature.
    """

    bias: Tensor = field(default_factory=lambda: torch.zeros(()))


class Sigmoid(Contrastive):
    """Every pair is right or wrong by itself; several right answers need no sharing.

    A soft target of 0.3 is right three times in ten. Smoothing moves every answer towards a half.

    Args:
        options: see SigmoidOptions.
        edges: the comparisons to sum.
        shapes: sizes of the shared space.
    """

    settings: SigmoidOptions

    def __init__(self, options: SigmoidOptions, edges: Sequence[Edge], shapes: Shapes) -> None:
        super().__init__(options, edges, shapes)
        start = torch.full_like(self.log_scale.detach(), options.bias)
        self.bias = nn.Parameter(start, requires_grad=options.learn_bias)

    def pairs(self, encoded: Encoded, items: Items, number: int) -> BiasedPairs:
        """Return the comparison of one edge, with its bias."""
        found = super().pairs(encoded, items, number)
        bias = self.bias[number if len(self.bias) > 1 else 0]
        return BiasedPairs(**vars(found), bias=bias)

    def compare(self, pairs: Pairs, items: Items, step: Step) -> Tensor:
        """Return the term of one edge; a pair is judged once, so there is no other direction."""
        if isinstance(pairs, BiasedPairs) and fits(pairs):
            return fused_sigmoid(pairs, pairs.bias, step, self.settings.smoothing)
        return self.direction(pairs, items, step)

    def _block(self, pairs: Pairs, items: Items, step: Step, rows: slice) -> Tensor:
        """Return the summed loss of a block of rows."""
        del items, step
        smoothing = self.settings.smoothing
        bias = pairs.bias if isinstance(pairs, BiasedPairs) else 0.0
        right, valid = pairs.block(rows, slice(0, len(pairs)))
        logits = pairs.logits(rows) + bias
        answer = (1 - smoothing) * right + 0.5 * smoothing
        cost = softplus(logits) - answer * logits
        return torch.where(valid, cost, torch.zeros_like(cost)).sum()
