"""The symmetric cross-entropy of cosines with its gradients, a tile of the table at a time.

Two sweeps over the table of n x m scores: the first adds up the exponentials of every row and
column, the second makes each tile again and turns it into gradients, both directions at once. No
tile is kept, so memory grows with n + m, and the work is four matrix products. As a cosine is at
most one, a score is at most the scale: exponentials need no maximum of their row. Legend: n
queries, m candidates, D width, r x c a tile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from eval.scores.engine import product
from eval.scores.pooled import Pooled
from pipelines.objectives.fused_answers import Few, Many
from pipelines.objectives.objective import Step
from pipelines.objectives.pairs import Pairs, same_group
from pipelines.objectives.unit_rows import UnitRows, laid_out, raw_vectors, tiles

ROWS, COLUMNS = 512, 1024
"""Size of a tile: 2 MiB, which stays in cache while it is worked on."""

BAND = 128
"""Rows of a tile that go through all that is done to each score before the next do."""

HIGHEST = 85.0
"""Largest exponent of a row's sum; float32 ends at 88.7."""

LEAST = 1e-31
"""A sum below so much a column may have lost terms that count, so it is not trusted."""


@dataclass(frozen=True)
class Table:
    """The table of scores and what is known before its gradients are made.

    Attributes:
        query: (n) the rows.
        candidate: (m) the columns.
        answers: right answers, and pairs that may not be compared.
        sums: (n,) and (m,) sums of exponentials.
        shift: what was taken off every score.
        rows: rows this process answers for.
        columns: columns this process answers for.
    """

    query: UnitRows
    candidate: UnitRows
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
        query, candidate = raw_vectors(pairs.query), raw_vectors(pairs.candidate)
        table = _table(query, candidate, pairs.scale.detach(), answers_of(pairs, smoothing), step)
        if table is None:
            return None
        wanted = torch.is_grad_enabled()
        found: Tensor = _Symmetric.apply(query, candidate, pairs.scale, table, wanted)  # type: ignore[no-untyped-call]
        return found


class _Symmetric(torch.autograd.Function):
    """Loss and gradients with respect to raw vectors and to the scale, all in the forward."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, candidate: Tensor, scale: Tensor, table: Table, wanted: bool
    ) -> Tensor:
        del query, candidate
        if wanted:
            table.query.collect()
            table.candidate.collect()
        loss, right = _second_sweep(scale, table, wanted=wanted)
        if isinstance(table.answers, Few):
            listed = table.answers.listed(table.query, table.candidate, table.rows)
            right = right + scale.double() * listed
        if wanted:
            by_query, turn = table.query.finish(scale)
            ctx.slopes = (by_query, table.candidate.finish(scale)[0], turn.float())
        return (loss - right).float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        if float(grad) == 1.0:
            return (*ctx.slopes, None, None)
        return (*(slope * grad for slope in ctx.slopes), None, None)


def answers_of(pairs: Pairs, smoothing: float) -> Few | Many:
    """Return right answers and forbidden pairs: as lists where both are few."""
    none = torch.zeros(0, 2, dtype=torch.long, device=pairs.scale.device)
    hidden = none if pairs.group is None else same_group(pairs.group)
    if pairs.listed is None or hidden is None:
        return Many(pairs, smoothing, (ROWS, COLUMNS))
    known = _keys(pairs.listed.rows, pairs.listed.columns, len(pairs))
    hidden = hidden[~torch.isin(_keys(hidden[:, 0], hidden[:, 1], len(pairs)), known)]
    return Few(pairs, pairs.listed, hidden, smoothing)


def _keys(rows: Tensor, columns: Tensor, count: int) -> Tensor:
    return rows * count + columns


def _table(
    query: Tensor, candidate: Tensor, scale: Tensor, answers: Few | Many, step: Step
) -> Table | None:
    """Return the sums of the first sweep, or None when they cannot be trusted."""
    left, right = answers.used(query, candidate)
    n, m = len(left), len(right)
    shift = max(0.0, float(scale) + math.log(max(n, m)) - HIGHEST)
    rows, columns = left.inverse.new_zeros(n), right.inverse.new_zeros(m)
    for across in tiles(slice(0, m), COLUMNS):
        side = laid_out(right.at(across) * scale)
        for down in tiles(slice(0, n), ROWS):
            scores = product(left.at(down), side)
            answers.hide(scores, down, across)
            for part in tiles(slice(0, len(scores)), BAND):
                band = _exponentials(scores[part], shift)
                rows[down][part] += band.sum(1)
                columns[across] += band.sum(0)
    if not (_trusted(answers.of_rows(rows), m) and _trusted(answers.of_columns(columns), n)):
        return None
    return Table(left, right, answers, (rows, columns), shift, step.share(n), step.share(m))


def _trusted(sums: Tensor, count: int) -> bool:
    """Return whether all sums are finite and large enough to have lost nothing that counts."""
    low, high = torch.aminmax(sums)
    return bool((low > LEAST * count) & high.isfinite())


def _second_sweep(scale: Tensor, table: Table, *, wanted: bool) -> tuple[Tensor, Tensor]:
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
    if not wanted and isinstance(answers, Few):
        return loss, loss.new_zeros(())
    for across in tiles(slice(0, len(table.candidate)), COLUMNS):
        unit = table.candidate.at(across)
        sides = laid_out(unit * scale), laid_out(unit.T)
        for down in tiles(table.rows, ROWS):
            queries = table.query.at(down)
            scores = product(queries, sides[0])
            targets = answers.targets(scores, down, across)
            if not wanted:
                continue
            for part in tiles(slice(0, len(scores)), BAND):
                band = _exponentials(scores[part], shift)
                band.mul_(by_row[down][part, None] + by_column[None, across])
                if targets is not None:
                    band.sub_(targets[part])
            table.query.add_product(down, scores, sides[1])
            table.candidate.add_product(across, scores.T, laid_out(queries.T))
    return loss, answers.taken()


def _exponentials(scores: Tensor, shift: float) -> Tensor:
    """Turn scores into their exponentials, in place."""
    if shift > 0:
        scores.sub_(shift)
    return scores.exp_()


def _logs(sums: Tensor, shift: float) -> Tensor:
    """Return the sum of the logarithms of the sums of used rows, the shift put back.

    In float64, as a small loss is the difference of two large numbers.
    """
    live = sums > 0
    return torch.where(live, torch.where(live, sums, 1.0).double().log() + shift, 0.0).sum()
