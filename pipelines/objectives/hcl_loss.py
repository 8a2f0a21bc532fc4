"""Contrastive loss whose negatives weigh by hardness, corrected for right answers among them.

Formula: Robinson et al., Contrastive Learning with Hard Negative Samples (arXiv 2010.04592), used
for sensors by arXiv 2309.01262. Legend: r rows of a block, C columns.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.hcl import HclOptions


class Hcl(Contrastive):
    """The negatives of the denominator are replaced by an estimate that hard ones lead.

    With p = exp(logit) of the right answer, n_j of the N negatives of a row, and weights
    w_j = n_j^beta / mean(n^beta), what stands beside p in the denominator is

        max(N (mean(w n) - tau_plus p) / (1 - tau_plus), N exp(-1 / temperature)).

    N counts the valid negatives of the row, and the gradient flows through the weights. Where a
    row has several right answers, all stand in the denominator and p is their weighted mean, so
    that beta 0 and tau_plus 0 give the plain contrastive loss for any targets.
    """

    settings: HclOptions

    def row_losses(self, logits: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Return (r,) losses; a row without negatives is compared with its right answers only."""
        right = targets > 0
        # all is measured against the largest logit of the row, so that no exponential overflows
        top = logits.detach().masked_fill(~valid, float("-inf")).amax(dim=1, keepdim=True)
        shifted = logits - top
        likeness = shifted.masked_fill(~right, float("-inf")).exp()
        wrong = valid & ~right
        count = wrong.sum(dim=1).float()
        tau_plus = self.settings.tau_plus
        corrected = self._hard_mean(shifted, wrong) - tau_plus * (targets * likeness).sum(dim=1)
        least = torch.exp(-self.log_scale.exp() - top.squeeze(1))
        negatives = count * torch.maximum(corrected / (1 - tau_plus), least)
        own = (targets * shifted.masked_fill(~right, 0.0)).sum(dim=1)
        return torch.log(likeness.sum(dim=1) + negatives) - own

    def _hard_mean(self, shifted: Tensor, wrong: Tensor) -> Tensor:
        """Return (r,) means of w_j n_j = sum(n^(beta + 1)) / sum(n^beta); 1 without negatives."""
        some = wrong.any(dim=1, keepdim=True)
        logs = []
        for power in (self.settings.beta + 1.0, self.settings.beta):
            raised = (power * shifted).masked_fill(~wrong, float("-inf"))
            logs.append(torch.logsumexp(torch.where(some, raised, 0.0), dim=1))
        return torch.exp(logs[0] - logs[1])
