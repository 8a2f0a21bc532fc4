"""Confidence intervals by resampling whole groups (patients, specimens), never single images.

A replicate is a weight per group: how often it was drawn. Every statistic on the same groups uses
the same replicates, so differences cost nothing. Legend: R replicates, G groups.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.seeding import keyed_rng

Weights = NDArray[Any]
Draws = tuple[NDArray[np.float64], NDArray[np.bool_]]
Statistic = Callable[[Weights], Draws]
"""From (R, G) weights to (R,) values, NaN where undefined, and (R,) whether no class was missing."""

LEAST_GROUPS = 10
FEW_GROUPS = 30
MOST_DEGENERATE = 0.05
LEAST_COMPLETE = 0.90
JACKKNIFE_BLOCKS = 2000
BLOCK_ELEMENTS = 1 << 21


@dataclass(frozen=True)
class Estimate:
    """A value with its interval, and why a part is missing.

    Attributes:
        value: None when not defined.
        low: lower end of the 95 % interval.
        high: upper end.
        method: "bca" or "percentile"; None without interval.
        replicates: replicates drawn.
        degenerate: replicates in which the statistic was not defined.
        reason: why value or interval is missing.
        flags: "few-groups", "unstable".
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    method: str | None = None
    replicates: int | None = None
    degenerate: int | None = None
    reason: str | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resampler:
    """The replicates of one set of queries.

    Attributes:
        groups: the group of every sample, in the order the statistics use.
        seed: the run's seed.
        replicates: R; 0 leaves intervals out.
    """

    groups: Sequence[str]
    seed: int
    replicates: int = 2000

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The G group ids, sorted."""
        return tuple(sorted(set(self.groups)))

    @cached_property
    def index(self) -> NDArray[np.int64]:
        """(n,) number of each sample's group."""
        number = {name: i for i, name in enumerate(self.names)}
        return np.array([number[name] for name in self.groups], dtype=np.int64)

    @cached_property
    def _drawn(self) -> NDArray[np.uint16]:
        """(R, G) how often each group is drawn; replicate r depends on seed, groups and r alone."""
        count = len(self.names)
        key = hashlib.sha256("\n".join(self.names).encode()).hexdigest()
        drawn = np.zeros((self.replicates, count), dtype=np.uint16)
        for r in range(self.replicates):
            picks = keyed_rng(self.seed, "bootstrap", key, r).integers(0, count, count)
            drawn[r] = np.bincount(picks, minlength=count)
        return drawn

    def estimate(self, statistic: Statistic) -> Estimate:
        """Return a statistic with its bias-corrected, accelerated interval."""
        value = self.point(statistic)
        if value is None:
            return Estimate(None, reason=self.why_undefined())
        refusal = self._refusal()
        if refusal:
            return Estimate(value, reason=refusal)
        draws, complete = self.draw(statistic)
        good = draws[np.isfinite(draws)]
        degenerate = len(draws) - len(good)
        flags: tuple[str, ...] = ("few-groups",) if len(self.names) < FEW_GROUPS else ()
        if complete.mean() < LEAST_COMPLETE:
            flags += ("unstable",)
        known = Estimate(value, replicates=len(draws), degenerate=degenerate, flags=flags)
        if degenerate > MOST_DEGENERATE * len(draws):
            return replace(known, reason=f"undefined in {degenerate} of {len(draws)} replicates")
        low, high, method = bca(value, good, self.leave_one_out(statistic))
        return replace(known, low=low, high=high, method=method)

    def point(self, statistic: Statistic) -> float | None:
        """Return the statistic of the samples as they are; None when not defined."""
        if not self.names:
            return None
        value = float(statistic(np.ones((1, len(self.names))))[0][0])
        return value if np.isfinite(value) else None

    def draw(self, statistic: Statistic) -> Draws:
        """Return (R,) replicates of a statistic, and (R,) whether no class was missing."""
        return _in_blocks(statistic, self._weights())

    def leave_one_out(self, statistic: Statistic) -> NDArray[np.float64]:
        """Return the statistic without each group, or without each of 2,000 random blocks."""
        return _in_blocks(statistic, self._jackknife_weights())[0]

    def why_undefined(self) -> str:
        """Return the reason of a value that is not defined."""
        return "not defined on these rows" if self.names else "no row is left"

    def _refusal(self) -> str | None:
        if self.replicates == 0:
            return "intervals are switched off"
        if len(self.names) < LEAST_GROUPS:
            return f"no interval: {len(self.names)} groups, at least {LEAST_GROUPS} needed"
        return None

    def _weights(self) -> Iterator[Weights]:
        step = max(1, BLOCK_ELEMENTS // len(self.groups))
        for start in range(0, self.replicates, step):
            yield self._drawn[start : start + step]

    def _jackknife_weights(self) -> Iterator[Weights]:
        count = len(self.names)
        block_of = np.arange(count)
        if count > JACKKNIFE_BLOCKS:
            shuffled = keyed_rng(self.seed, "jackknife", count).permutation(count)
            block_of = shuffled % JACKKNIFE_BLOCKS
        blocks = min(count, JACKKNIFE_BLOCKS)
        step = max(1, BLOCK_ELEMENTS // len(self.groups))
        for start in range(0, blocks, step):
            which = np.arange(start, min(start + step, blocks))
            yield (block_of[None, :] != which[:, None]).astype(np.uint16)


def bca(
    value: float, draws: NDArray[np.float64], left_out: NDArray[np.float64], *, level: float = 0.95
) -> tuple[float, float, str]:
    """Return the two ends of the interval, and "bca", or "percentile" where BCa is not finite.

    After Efron, "Better Bootstrap Confidence Intervals", JASA 1987.
    """
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    below = (np.sum(draws < value) + np.sum(draws <= value)) / (2 * len(draws))
    pull = np.mean(left_out) - left_out
    spread = float(np.sum(pull**2))
    method = "percentile"
    if 0 < below < 1 and np.isfinite(spread) and spread > 0:
        normal = NormalDist()
        bias = normal.inv_cdf(float(below))
        acceleration = float(np.sum(pull**3)) / (6 * spread**1.5)
        shifted = bias + np.array([normal.inv_cdf(float(tail)) for tail in tails])
        room = 1 - acceleration * shifted
        if np.all(room > 0):
            tails = np.array([normal.cdf(float(z)) for z in bias + shifted / room])
            method = "bca"
    low, high = np.quantile(draws, tails)
    return float(low), float(high), method


def _in_blocks(statistic: Statistic, blocks: Iterator[Weights]) -> Draws:
    """Apply a statistic to weights that come a block at a time."""
    parts = [statistic(weights) for weights in blocks]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
