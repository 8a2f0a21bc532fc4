"""The logistic loss of cosines with its gradients, a tile of the table at a time, in one sweep.

Legend: n queries, m candidates, D width, r x c a tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

from eval.scores.engine import pack, product
from eval.scores.pooled import pooled
from pipelines.objectives.fused import COLUMNS, ROWS, answers_of, tiles
from pipelines.objectives.fused_answers import Few, Many, Slopes, add_listed, of_share
from pipelines.objectives.objective import Step
from pipelines.objectives.pairs import Listed, Pairs


@dataclass(frozen=True)
class Judged:
    """What is known of the table before it is swept.

    Attributes:
        answers: right answers, and pairs that may not be compared.
        smoothing: how far every answer moves towards a half.
        rows: rows this process answers for.
        wanted: whether gradients are wanted.
    """

    answers: Few | Many
    smoothing: float
    rows: slice
    wanted: bool


def fused_sigmoid(pairs: Pairs, bias: Tensor, step: Step, smoothing: float) -> Tensor:
    """Return this process's part of the loss of all pairs over the number of queries."""
    with torch.autocast(device_type=pairs.scale.device.type, enabled=False):
        answers = answers_of(pairs, 0.0)
        query, candidate = answers.used(pooled(pairs.query), pooled(pairs.candidate))
        judged = Judged(answers, smoothing, step.share(len(query)), torch.is_grad_enabled())
        found: Tensor = _Logistic.apply(query, candidate, pairs.scale, bias, judged)  # type: ignore[no-untyped-call]
        return found


class _Logistic(torch.autograd.Function):
    """Loss and gradients with respect to unit vectors, scale and bias, all in the forward."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, candidate: Tensor, scale: Tensor, bias: Tensor, judged: Judged
    ) -> Tensor:
        slopes = Slopes(torch.zeros_like(query), torch.zeros_like(candidate))
        wanted = slopes if judged.wanted else None
        loss, slope = _sweep(query, candidate, (scale, bias), judged, wanted)
        answers, count = judged.answers, judged.answers.counts[0]
        if isinstance(answers, Few):
            right = of_share(judged.rows, answers.right)
            right = Listed(right.rows, right.columns, (1 - judged.smoothing) * right.weights)
            weight = right.weights.sum(dtype=torch.float64)
            loss = loss - scale * add_listed(query, candidate, right, wanted) - bias * weight
            slope = slope - weight
        turn = (query * slopes.query).sum(dtype=torch.float64) / count
        slopes.query.mul_(scale / count)
        slopes.candidate.mul_(scale / count)
        ctx.slopes = (slopes.query, slopes.candidate, turn.float(), (slope / count).float())
        return (loss / count).float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        if float(grad) == 1.0:
            return (*ctx.slopes, None)
        return (*(slope * grad for slope in ctx.slopes), None)


def _sweep(
    query: Tensor, candidate: Tensor, line: tuple[Tensor, Tensor], judged: Judged,
    slopes: Slopes | None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Return the loss and the slope of the bias in float64, listed answers left out."""
    scale, bias = line
    loss, slope = torch.zeros(2, dtype=torch.float64, device=query.device)
    mine = list(tiles(judged.rows, ROWS))
    turned = [pack(query[down].T) for down in mine]
    for across in tiles(slice(0, len(candidate)), COLUMNS):
        sides = pack(candidate[across] * scale), pack(candidate[across].T)
        for down, queries in zip(mine, turned, strict=True):
            logits = product(query[down], sides[0]).add_(bias)
            cost, residue = _tile(logits, judged, down, across)
            loss += cost.sum(dtype=torch.float64)
            if slopes is None:
                continue
            slope += residue.sum(dtype=torch.float64)
            slopes.query[down] += product(residue, sides[1])
            slopes.candidate[across] += product(residue.T, queries)
    return loss, slope


def _tile(logits: Tensor, judged: Judged, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
    """Return the (r, c) costs of a tile and what its probabilities have too much."""
    answers, smoothing = judged.answers, judged.smoothing
    cost, residue = softplus(logits), logits.sigmoid()
    if isinstance(answers, Many):
        right, valid = answers.pairs.block(rows, columns)
        answer = (1 - smoothing) * right + 0.5 * smoothing
        return (cost - answer * logits).mul_(valid), residue.sub_(answer).mul_(valid)
    if smoothing > 0:
        cost.add_(logits, alpha=-0.5 * smoothing)
        residue.sub_(0.5 * smoothing)
    answers.hide(cost, rows, columns, 0.0)
    answers.hide(residue, rows, columns, 0.0)
    return cost, residue
