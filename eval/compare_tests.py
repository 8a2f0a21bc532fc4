"""Tests of differences: permutations that respect groups, p-values adjusted for their number.

Legend: n samples, G groups, P permutations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from eval.intervals import Draws, Statistic, Weights
from workbench.seeding import keyed_rng

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]

PERMUTATIONS = 10_000
BLOCK_ELEMENTS = 1 << 21


def difference(statistic: Statistic, groups: int) -> Statistic:
    """Return A - B of a statistic whose first G groups hold A's outcomes and last G hold B's.

    The difference is a function of (R, G) weights: both models see the same replicates.
    """

    def paired(weights: Weights) -> Draws:
        nothing = np.zeros((len(weights), groups), dtype=weights.dtype)
        one, whole = statistic(np.concatenate([weights, nothing], axis=1))
        other, whole_too = statistic(np.concatenate([nothing, weights], axis=1))
        return one - other, whole & whole_too

    return paired


def swap_test(
    statistic: Statistic, groups: int, *, seed: int, permutations: int = PERMUTATIONS
) -> float | None:
    """Return p of the difference when each group's outcomes may be either model's.

    Args:
        statistic: of A's outcomes in the first G groups and B's in the last G.
        groups: G.
        seed: the run's seed.
        permutations: P.
    """
    rng = keyed_rng(seed, "swap", groups)

    def drawn(count: int) -> Weights:
        return rng.integers(0, 2, (count, groups), dtype=np.uint8)

    def gap(kept: Weights) -> Reals:
        one = statistic(np.concatenate([kept, 1 - kept], axis=1))[0]
        return one - statistic(np.concatenate([1 - kept, kept], axis=1))[0]

    return _p(gap, np.ones(groups, dtype=np.uint8), drawn, permutations=permutations)


def split_test(
    statistic: Statistic, inside: NDArray[np.bool_], *, seed: int,
    permutations: int = PERMUTATIONS,
) -> float | None:  # fmt: skip
    """Return p of inside - outside when the groups' membership is dealt out anew.

    Args:
        statistic: of (G,) groups.
        inside: (G,) which groups belong.
        seed: the run's seed.
        permutations: P.
    """
    rng = keyed_rng(seed, "split", len(inside))
    member = inside.astype(np.uint8)

    def drawn(count: int) -> Weights:
        return rng.permuted(np.tile(member, (count, 1)), axis=1)

    def gap(chosen: Weights) -> Reals:
        return statistic(chosen)[0] - statistic(1 - chosen)[0]

    return _p(gap, member, drawn, permutations=permutations)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted after Holm (1979); None stays None and does not count.

    >>> holm([0.01, 0.04, 0.03, 0.005])
    [0.03, 0.06, 0.06, 0.02]
    """
    known = sorted((p, i) for i, p in enumerate(values) if p is not None)
    adjusted: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (p, i) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        adjusted[i] = highest
    return adjusted


def _p(
    gap: Callable[[Weights], Reals], seen: Weights, drawn: Callable[[int], Weights], *,
    permutations: int,
) -> float | None:  # fmt: skip
    """Return (1 + how many are as large) / (1 + P), permutations without a value left out."""
    observed = float(gap(seen[None, :])[0])
    if not np.isfinite(observed):
        return None
    step = max(1, BLOCK_ELEMENTS // max(1, len(seen)))
    as_large = total = 0
    for start in range(0, permutations, step):
        values = gap(drawn(min(step, permutations - start)))
        values = values[np.isfinite(values)]
        # sums in another order differ in their last bits: equal up to that counts as large
        as_large += int((np.abs(values) >= abs(observed) - 1e-12).sum())
        total += len(values)
    return (1 + as_large) / (1 + total)
