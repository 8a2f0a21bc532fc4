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

from eval.scores.engine import product
from pipelines.objectives.fused import BAND, COLUMNS, ROWS, answers_of
from pipelines.objectives.fused_answers import Few, Many, add_listed, of_share
from pipelines.objectives.objective import Step
from pipelines.objectives.pairs import Listed, Pairs
from pipelines.objectives.unit_rows import UnitRows, laid_out, raw_vectors, tiles


@dataclass(frozen=True)
class Judged:
    """What is known of the table before it is swept.

    Attributes:
        query: (n) the rows.
        candidate: (m) the columns.
        answers: right answers, and pairs that may not be compared.
        smoothing: how far every answer moves towards a half.
        rows: rows this process answers for.
        wanted: whether gradients are wanted.
    """

    query: UnitRows
    candidate: UnitRows
    answers: Few | Many
    smoothing: float
    rows: slice
    wanted: bool


def fused_sigmoid(pairs: Pairs, bias: Tensor, step: Step, smoothing: float) -> Tensor:
    """Return this process's part of the loss of all pairs over the number of queries."""
    with torch.autocast(device_type=pairs.scale.device.type, enabled=False):
        answers = answers_of(pairs, 0.0)
        query, candidate = raw_vectors(pairs.query), raw_vectors(pairs.candidate)
        sides = answers.used(query, candidate)
        judged = Judged(
            *sides, answers, smoothing, step.share(len(sides[0])), torch.is_grad_enabled()
        )
        found: Tensor = _Logistic.apply(query, candidate, pairs.scale, bias, judged)  # type: ignore[no-untyped-call]
        return found


class _Logistic(torch.autograd.Function):
    """Loss and gradients with respect to raw vectors, scale and bias, all in the forward."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, candidate: Tensor, scale: Tensor, bias: Tensor, judged: Judged
    ) -> Tensor:
        del query, candidate
        if judged.wanted:
            judged.query.collect()
            judged.candidate.collect()
        loss, slope = _sweep(scale, bias, judged)
        answers, count = judged.answers, judged.answers.counts[0]
        if isinstance(answers, Few):
            right = of_share(judged.rows, answers.right)
            right = Listed(right.rows, right.columns, (1 - judged.smoothing) * right.weights)
            weight = right.weights.sum(dtype=torch.float64)
            loss = loss - scale * add_listed(judged.query, judged.candidate, right) - bias * weight
            slope = slope - weight
        if judged.wanted:
            by_query, turn = judged.query.finish(scale / count)
            by_candidate, _ = judged.candidate.finish(scale / count)
            ctx.slopes = (by_query, by_candidate, (turn / count).float(), (slope / count).float())
        return (loss / count).float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        if float(grad) == 1.0:
            return (*ctx.slopes, None)
        return (*(slope * grad for slope in ctx.slopes), None)


def _sweep(scale: Tensor, bias: Tensor, judged: Judged) -> tuple[Tensor, Tensor]:
    """Return the loss and the slope of the bias in float64, listed answers left out."""
    loss, slope = torch.zeros(2, dtype=torch.float64, device=scale.device)
    for across in tiles(slice(0, len(judged.candidate)), COLUMNS):
        unit = judged.candidate.at(across)
        sides = laid_out(unit * scale), laid_out(unit.T)
        for down in tiles(judged.rows, ROWS):
            queries = judged.query.at(down)
            logits = product(queries, sides[0])
            for part in tiles(slice(0, len(logits)), BAND):
                band = slice(down.start + part.start, down.start + part.stop)
                cost, residue = _band(logits[part].add_(bias), judged, band, across)
                loss += cost
                slope += residue
            if judged.wanted:
                judged.query.add_product(down, logits, sides[1])
                judged.candidate.add_product(across, logits.T, laid_out(queries.T))
    return loss, slope


def _band(logits: Tensor, judged: Judged, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
    """Turn logits in place into what their probabilities have too much; return both sums."""
    answers, smoothing = judged.answers, judged.smoothing
    cost, answer = softplus(logits), 0.5 * smoothing
    if isinstance(answers, Many):
        right, valid = answers.pairs.block(rows, columns)
        target = (1 - smoothing) * right + answer
        cost.addcmul_(target, logits, value=-1.0).mul_(valid)
        logits.sigmoid_().sub_(target).mul_(valid)
    else:
        cost.add_(logits, alpha=-answer)
        logits.sigmoid_().sub_(answer)
        answers.hide(cost, rows, columns, 0.0)
        answers.hide(logits, rows, columns, 0.0)
    return cost.sum(dtype=torch.float64), logits.sum(dtype=torch.float64)
