"""Curves of a confidence: how many errors, or known rows, stand among the first so many.

Blocks of equal confidence are spread evenly, which is their mean over every order. Weighting a
group by w equals repeating its rows w times. Legend: n rows, G groups, R replicates, B blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.intervals import Draws, Statistic, Weights

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class _Blocks:
    """Weights of R replicates by block, the first block first.

    Attributes:
        size: (B, R) rows.
        part: (B, R) sum of a value over these rows.
    """

    size: Reals
    part: Reals

    @property
    def above(self) -> Reals:
        """(B, R) rows before each block."""
        return np.asarray(np.cumsum(self.size, axis=0) - self.size)

    @property
    def before(self) -> Reals:
        """(B, R) the value summed before each block."""
        return np.asarray(np.cumsum(self.part, axis=0) - self.part)


def risk_area(confidence: Reals, errors: Reals, index: Ints) -> Statistic:
    """Return the mean, over coverages 1/n..1, of the error among the most confident (AURC).

    After Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks", 2017.
    """
    tables = _tables(confidence, errors, index)

    def statistic(weights: Weights) -> Draws:
        blocks = _weighted(tables, weights)
        above, total = blocks.above, blocks.size.sum(axis=0)
        end = (above + blocks.size).astype(np.int64)
        sums = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(total.max(initial=0)) + 1))])
        rate = _rate(blocks)
        steps = sums[end] - sums[above.astype(np.int64)]
        risk = blocks.part + (blocks.before - above * rate) * steps
        return _ratio(risk.sum(axis=0), total), np.ones(len(weights), dtype=bool)

    return statistic


def accuracy_at(confidence: Reals, errors: Reals, index: Ints, *, coverage: float) -> Statistic:
    """Return the share without error among the most confident share of the rows, rounded up."""
    tables = _tables(confidence, errors, index)

    def statistic(weights: Weights) -> Draws:
        blocks = _weighted(tables, weights)
        kept = np.ceil(coverage * blocks.size.sum(axis=0) - 1e-9)
        inside = np.clip(kept - blocks.above, 0, blocks.size)
        wrong = (inside * _rate(blocks)).sum(axis=0)
        return 1 - _ratio(wrong, kept), np.ones(len(weights), dtype=bool)

    return statistic


def false_alarms(novelty: Reals, novel: Reals, index: Ints, *, found: float = 0.95) -> Statistic:
    """Return the share of known rows called novel where that share of the novel rows is found.

    Args:
        novelty: (n,) scores, higher is more novel.
        novel: (n,) 1 for novel, 0 for known.
        index: (n,) groups.
        found: the share of novel rows that must be found.
    """
    tables = _tables(novelty, novel, index)

    def statistic(weights: Weights) -> Draws:
        blocks = _weighted(tables, weights)
        known = blocks.size - blocks.part
        wanted = found * blocks.part.sum(axis=0)
        inside = np.clip(wanted - blocks.before, 0, blocks.part)
        share = np.divide(inside, blocks.part, out=np.zeros_like(inside), where=blocks.part > 0)
        # known rows that stand before the last novel one needed are called novel all the same
        reached = blocks.before + blocks.part < wanted - 1e-9
        alarms = (known * np.where(reached, 1.0, share)).sum(axis=0)
        both = (known.sum(axis=0) > 0) & (wanted > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(both, alarms / known.sum(axis=0), np.nan)
        return value, np.asarray(both)

    return statistic


def _tables(order: Reals, values: Reals, index: Ints) -> tuple[Any, Any]:
    """Return sparse (B, G) tables of rows and of values, the highest block first."""
    from scipy.sparse import csr_array

    _, block = np.unique(-order, return_inverse=True)
    block = np.asarray(block).reshape(-1)
    shape = (int(block.max(initial=-1)) + 1, int(index.max(initial=-1)) + 1)
    return tuple(
        csr_array((part.astype(np.float64), (block, index)), shape=shape)
        for part in (np.ones(len(values)), values)
    )


def _weighted(tables: tuple[Any, Any], weights: Weights) -> _Blocks:
    columns = np.ascontiguousarray(weights.T, dtype=np.float64)
    return _Blocks(tables[0] @ columns, tables[1] @ columns)


def _rate(blocks: _Blocks) -> Reals:
    """Return (B, R) the mean value of a row of each block, 0 where it is empty."""
    return np.divide(
        blocks.part, blocks.size, out=np.zeros_like(blocks.part), where=blocks.size > 0
    )


def _ratio(top: Reals, bottom: Reals) -> Reals:
    """Divide, NaN where the divisor is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(bottom > 0, top / bottom, np.nan))
