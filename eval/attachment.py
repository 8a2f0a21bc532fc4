"""How well each item fits its own partner, against everything else that both are compared with.

Legend: n pairs, E width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eval.scores.scorer import Scorer
from eval.side_ranking import QUERY_TILE, score_table
from eval.sides import Items
from workbench.seeding import keyed_rng

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Floats = NDArray[np.floating]

LEAST = 1e-9  # deviations below which a row or column of scores says nothing
TRIES = 20


def fit_of_vectors(x: Floats, y: Floats) -> Reals:
    """Return (n,) own cosines, standardised by row and by column and averaged; 0 without spread.

    The mean and deviation over all partners follow from the mean and the E x E second moment, so
    that no table of scores is made.

    Args:
        x: (n, E) unit vectors.
        y: (n, E) unit vectors of their partners.
    """
    if len(x) == 0:
        return np.zeros(0)
    left, right = x.astype(np.float64), y.astype(np.float64)
    own = (left * right).sum(axis=1)
    sides = [_moments(left, right), _moments(right, left)]
    return np.asarray(sum(_standard(own, mean, spread) for mean, spread in sides) / 2)


def fit_of_sides(scorer: Scorer, query: Items, gallery: Items) -> Reals:
    """Return the same for a score of whole sides, whose table is made in blocks of rows."""
    n = len(query)
    own, row_mean, row_spread = np.zeros(n), np.zeros(n), np.zeros(n)
    total, squares = np.zeros(n), np.zeros(n)
    for start in range(0, n, QUERY_TILE):
        numbers = np.arange(start, min(start + QUERY_TILE, n))
        table = score_table(scorer, query[numbers], gallery)
        own[numbers] = table[np.arange(len(numbers)), numbers]
        row_mean[numbers], row_spread[numbers] = table.mean(axis=1), table.std(axis=1)
        total += table.sum(axis=0)
        squares += (table**2).sum(axis=0)
    mean = total / max(1, n)
    spread = np.sqrt(np.maximum(squares / max(1, n) - mean**2, 0.0))
    return (_standard(own, row_mean, row_spread) + _standard(own, mean, spread)) / 2


def plant(
    groups: Sequence[str], contents: Sequence[str], share: float, *, seed: int
) -> tuple[Ints, NDArray[np.bool_]]:
    """Return whose partner each item is given, and which items were given a wrong one.

    Partners are swapped two by two, between items of different groups whose partners differ.

    Args:
        groups: of every item.
        contents: of every item's partner, such as a digest; equal ones are not swapped.
        share: of the items; as many are swapped as can be.
        seed: of the draw.
    """
    n = len(groups)
    rng = keyed_rng(seed, "mismatch", n)
    partner = np.arange(n)
    wrong = np.zeros(n, dtype=bool)
    waiting = [int(i) for i in rng.permutation(n)]
    wanted = 2 * max(1, round(share * n / 2)) if n else 0
    while waiting and wrong.sum() < wanted:
        one = waiting.pop()
        for place in range(len(waiting) - 1, max(-1, len(waiting) - 1 - TRIES), -1):
            other = waiting[place]
            if groups[one] != groups[other] and contents[one] != contents[other]:
                partner[one], partner[other] = other, one
                wrong[[one, other]] = True
                del waiting[place]
                break
    return partner, wrong


def _moments(x: Reals, y: Reals) -> tuple[Reals, Reals]:
    """Return (n,) mean and deviation of every row's cosines with all partners."""
    center = y.mean(axis=0)
    deviation = y - center
    spread = deviation.T @ deviation / len(y)
    return x @ center, np.sqrt(np.maximum(((x @ spread) * x).sum(axis=1), 0.0))


def _standard(own: Reals, mean: Reals, spread: Reals) -> Reals:
    return np.where(spread > LEAST, (own - mean) / np.where(spread > LEAST, spread, 1.0), 0.0)
