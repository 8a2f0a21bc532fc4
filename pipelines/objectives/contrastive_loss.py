"""Contrastive cross-entropy over an edge list, with presence masks and several right answers.

One entry serves MoRE (edges anchored on the report), OCTCube COEP and CLIBD (all pairs) and CLIP.

Legend: B rows of a batch, D shared width.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from eval.scores import score
from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.entry import Edge
from pipelines.objectives.objective import Encoded, Items, LossOut, Objective
from pipelines.objectives.targets import rule

MAX_SCALE = 100.0


class Contrastive(Objective):
    """Symmetric cross-entropy between the two sides of every edge.

    Args:
        options: see ContrastiveOptions.
        edges: the comparisons to sum.

    The temperature is one log-scale parameter, clamped so that the scale stays at most 100.
    """

    def __init__(self, options: ContrastiveOptions, edges: Sequence[Edge]) -> None:
        super().__init__()
        self.settings = options
        self.edges = tuple(edges)
        self.score = score(options.score)
        self.targets = rule(options)
        start = torch.tensor(math.log(1.0 / options.temperature))
        self.log_scale = nn.Parameter(start, requires_grad=options.learn_temperature)

    def label_columns(self) -> tuple[str, ...]:
        """Return the label or rank columns that the targets read."""
        label = self.settings.label
        return self.settings.ranks or ((label,) if label else ())

    def forward(self, encoded: Encoded, items: Items) -> LossOut:
        """Return one term per edge that has at least one usable row."""
        terms: dict[str, Tensor] = {}
        logs: dict[str, float] = {"scale": float(self.log_scale.detach().exp())}
        for edge in self.edges:
            term, count = self._edge(encoded, items, edge)
            logs[f"n_valid/{edge.name}"] = float(count)
            if term is not None:
                terms[edge.name] = term
        weights = {edge.name: edge.weight for edge in self.edges}
        return LossOut(terms, weights, logs)

    def after_step(self) -> None:
        """Keep the scale between 1 and 100."""
        with torch.no_grad():
            self.log_scale.clamp_(0.0, math.log(MAX_SCALE))

    def _edge(self, encoded: Encoded, items: Items, edge: Edge) -> tuple[Tensor | None, int]:
        (candidate,) = edge.candidates
        rows = encoded.present[edge.query]
        columns = encoded.present[candidate]
        if not bool((rows & columns).any()):
            return None, 0
        similarity = self.score(encoded.emb[edge.query].float(), encoded.emb[candidate].float())
        logits = similarity * self.log_scale.exp()
        targets = self.targets(items, edge)
        valid = rows[:, None] & columns[None, :]
        if self.settings.exclude_same_group:
            valid = valid & ~_excluded(items.group, targets)
        valid = _paired(valid, targets)
        forward = _cross_entropy(logits, targets, valid, self.settings.smoothing)
        backward = _cross_entropy(logits.T, targets.T, valid.T, self.settings.smoothing)
        return 0.5 * (forward + backward), int((rows & columns).sum())


def _excluded(group: Tensor, targets: Tensor) -> Tensor:
    """(B, B) bool: pairs of one group that are not right answers."""
    same = group[:, None] == group[None, :]
    return same & (targets == 0)


def _paired(valid: Tensor, targets: Tensor) -> Tensor:
    """Leave out rows and columns without a right answer, so both directions see one batch."""
    right = valid & (targets > 0)
    return valid & right.any(dim=1)[:, None] & right.any(dim=0)[None, :]


def _cross_entropy(logits: Tensor, targets: Tensor, valid: Tensor, smoothing: float) -> Tensor:
    """Mean cross-entropy over rows that have a valid right answer, in float32.

    Targets are normalised over each row's valid columns, so groups of equals do not weigh more.
    """
    weight = torch.where(valid, targets, torch.zeros_like(targets))
    total = weight.sum(dim=1)
    used = total > 0
    weight = weight[used] / total[used, None]
    mask = valid[used]
    if smoothing > 0:
        share = mask.float() / mask.sum(dim=1, keepdim=True)
        weight = (1 - smoothing) * weight + smoothing * share
    masked = logits[used].masked_fill(~mask, float("-inf"))
    log_p = torch.log_softmax(masked, dim=1).masked_fill(~mask, 0.0)
    return -(weight * log_p).sum(dim=1).mean()
