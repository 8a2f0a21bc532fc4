"""Contrastive cross-entropy against the hardest negatives that are not likely right answers.

Method: UniME (arXiv 2504.17432). Legend: r rows of a block, C columns.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.topk_filtered import TopkFilteredOptions


class TopkFiltered(Contrastive):
    """Each row keeps its right answers and the k best-scoring of its remaining negatives.

    A candidate that scores more than `margin` above the row's best right answer is taken for a
    right answer that nobody wrote down and is left out. A row that keeps no negative adds nothing
    to the loss and moves nothing.
    """

    settings: TopkFilteredOptions

    def row_losses(self, logits: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Return (r,) cross-entropies over the candidates that each row keeps."""
        right = targets > 0
        hard = self._kept(logits.detach(), right, valid)
        losses = super().row_losses(logits, targets, right | hard)
        return torch.where(hard.any(dim=1), losses, 0.0)

    def _kept(self, logits: Tensor, right: Tensor, valid: Tensor) -> Tensor:
        """Return (r, C) bool: the negatives that each row keeps, at most k."""
        best = logits.masked_fill(~right, float("-inf")).amax(dim=1, keepdim=True)
        limit = best + self.settings.margin * self.log_scale.detach().exp()
        possible = valid & ~right & (logits <= limit)
        ranked = logits.masked_fill(~possible, float("-inf"))
        chosen = ranked.topk(min(self.settings.k, logits.shape[1]), dim=1).indices
        return possible & torch.zeros_like(possible).scatter(1, chosen, True)
