"""The symmetric cross-entropy of cosines with its gradients, a tile of the table at a time.

Two sweeps over the table of n x m scores: the first adds up the exponentials of every row and
column, the second makes each tile again and turns it into gradients, both directions at once. No
tile is kept, so memory grows with n + m, and the work is four matrix products. As a cosine is at
most one, a score is at most the scale: exponentials need no maximum of their row. Legend: n
queries, m candidates, D width, r x c a tile.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from eval.scores.engine import pack, product
from eval.scores.pooled import Pooled, pooled
from pipelines.objectives.fused_answers import Few, Many, Slopes
from pipelines.objectives.objective import Step
from pipelines.objectives.pairs import Pairs, same_group

ROWS, COLUMNS = 1024, 2048
"""Size of a tile: 8 MiB, which stays in the last cache while it is worked on."""

HIGHEST = 85.0
"""Largest exponent of a row's sum; float32 ends at 88.7."""

LEAST = 1e-31
"""A sum below so much a column may have lost terms that count, so it is not trusted."""


@dataclass(frozen=True)
class Table:
    """The table of scores and what is known before its gradients are made.

    Attributes:
        answers: right answers, and pairs that may not be compared.
        sums: (n,) and (m,) sums of exponentials.
        shift: what was taken off every score.
        rows: rows this process answers for.
        columns: columns this process answers for.
    """

    answers: Few | Many
    sums: tuple[Tensor, Tensor]
    shift: float
    rows: slice
    columns: slice


def fits(pairs: Pairs) -> bool:
    """Return whether the fused loss can compare these pairs: by the cosine of pooled vectors."""
    return type(pairs.score) is Pooled and not pairs.turned


def fused_loss(pairs: Pairs, step: Step, smoothing: float) -> Tensor | None:
    """Return this process's part of the mean of both directions' losses.

    None when float32 cannot hold the exponentials, which needs a scale above 60 and a row that is
    far from every column: the caller then takes the way that looks for each row's maximum.
    """
    with torch.autocast(device_type=pairs.scale.device.type, enabled=False):
        answers = answers_of(pairs, smoothing)
        query, candidate = answers.used(pooled(pairs.query), pooled(pairs.candidate))
        known = _table(query.detach(), candidate.detach(), pairs.scale.detach(), answers, step)
        if known is None:
            return None
        wanted = torch.is_grad_enabled()
        found: Tensor = _Symmetric.apply(query, candidate, pairs.scale, known, wanted)  # type: ignore[no-untyped-call]
        return found


class _Symmetric(torch.autograd.Function):
    """Loss and gradients with respect to unit vectors and to the scale, all in the forward."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, candidate: Tensor, scale: Tensor, table: Table, wanted: bool
    ) -> Tensor:
        slopes = Slopes(torch.zeros_like(query), torch.zeros_like(candidate)) if wanted else None
        loss, right = _second_sweep(query, candidate, scale, table, slopes)
        if isinstance(table.answers, Few):
            right = right + scale.double() * table.answers.listed(
                query, candidate, table.rows, slopes
            )
        if slopes is not None:
            turn = (query * slopes.query).sum(dtype=torch.float64).float()
            slopes.query.mul_(scale)
            slopes.candidate.mul_(scale)
            ctx.slopes, ctx.turn = slopes, turn
        return (loss - right).float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        slopes, turn = ctx.slopes, ctx.turn
        if float(grad) == 1.0:
            return slopes.query, slopes.candidate, turn, None, None
        return slopes.query * grad, slopes.candidate * grad, turn * grad, None, None


def answers_of(pairs: Pairs, smoothing: float) -> Few | Many:
    """Return right answers and forbidden pairs: as lists where both are few."""
    none = torch.zeros(0, 2, dtype=torch.long, device=pairs.scale.device)
    hidden = none if pairs.group is None else same_group(pairs.group)
    if pairs.listed is None or hidden is None:
        return Many(pairs, smoothing, ROWS)
    known = _keys(pairs.listed.rows, pairs.listed.columns, len(pairs))
    hidden = hidden[~torch.isin(_keys(hidden[:, 0], hidden[:, 1], len(pairs)), known)]
    return Few(pairs, pairs.listed, hidden, smoothing)


def _keys(rows: Tensor, columns: Tensor, count: int) -> Tensor:
    return rows * count + columns


def _table(
    query: Tensor, candidate: Tensor, scale: Tensor, answers: Few | Many, step: Step
) -> Table | None:
    """Return the sums of the first sweep, or None when they cannot be trusted."""
    n, m = len(query), len(candidate)
    shift = max(0.0, float(scale) + math.log(max(n, m)) - HIGHEST)
    rows, columns = query.new_zeros(n), query.new_zeros(m)
    for across in tiles(slice(0, m), COLUMNS):
        right = pack(candidate[across] * scale)
        for down in tiles(slice(0, n), ROWS):
            scores = product(query[down], right)
            answers.hide(scores, down, across)
            _exponentials(scores, shift)
            rows[down] += scores.sum(1)
            columns[across] += scores.sum(0)
    if not (_trusted(answers.of_rows(rows), m) and _trusted(answers.of_columns(columns), n)):
        return None
    return Table(answers, (rows, columns), shift, step.share(n), step.share(m))


def _trusted(sums: Tensor, count: int) -> bool:
    """Return whether all sums are finite and large enough to have lost nothing that counts."""
    low, high = torch.aminmax(sums)
    return bool((low > LEAST * count) & high.isfinite())


def _second_sweep(
    query: Tensor, candidate: Tensor, scale: Tensor, table: Table, slopes: Slopes | None
) -> tuple[Tensor, Tensor]:
    """Return both directions' log-sums and what the tiles' targets take off; add up gradients."""
    answers, shift, (rows, columns) = table.answers, table.shift, table.sums
    by_row, by_column = (
        torch.where(sums > 0, 0.5 / count / sums, 0.0)
        for sums, count in zip(table.sums, answers.counts, strict=True)
    )
    loss = 0.5 * (
        _logs(rows[table.rows], shift) / answers.counts[0]
        + _logs(columns[table.columns], shift) / answers.counts[1]
    )
    if slopes is None and isinstance(answers, Few):
        return loss, loss.new_zeros(())
    mine = list(tiles(table.rows, ROWS))
    turned = [pack(query[down].T) for down in mine]
    for across in tiles(slice(0, len(candidate)), COLUMNS):
        sides = pack(candidate[across] * scale), pack(candidate[across].T)
        for down, queries in zip(mine, turned, strict=True):
            scores = product(query[down], sides[0])
            targets = answers.targets(scores, down, across)
            if slopes is None:
                continue
            _exponentials(scores, shift)
            scores.mul_(by_row[down, None] + by_column[None, across])
            if targets is not None:
                scores.sub_(targets)
            slopes.query[down] += product(scores, sides[1])
            slopes.candidate[across] += product(scores.T, queries)
    return loss, answers.taken()


def _exponentials(scores: Tensor, shift: float) -> None:
    """Turn scores into their exponentials, in place."""
    if shift > 0:
        scores.sub_(shift)
    scores.exp_()


def _logs(sums: Tensor, shift: float) -> Tensor:
    """Return the sum of the logarithms of the sums of used rows, the shift put back.

    In float64, as a small loss is the difference of two large numbers.
    """
    live = sums > 0
    return torch.where(live, torch.where(live, sums, 1.0).double().log() + shift, 0.0).sum()


def tiles(whole: slice, size: int) -> Iterator[slice]:
    """Yield consecutive parts of a range."""
    for start in range(whole.start, whole.stop, size):
        yield slice(start, min(start + size, whole.stop))
