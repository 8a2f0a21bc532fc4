"""Scores listed pairs of vectors in float64, whatever their number, in a fixed order of addition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from eval.scores import Cosine

Floats = NDArray[np.float32]

CHUNK_ELEMENTS = 1 << 16  # 0.5 MB of float64 products at a time, which caches hold
DENSE = 4096  # from here on it pays to look for equal vectors first


def exact_pairs(
    score: Cosine, query: Floats, items: Floats, *, pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return (L,) scores of L pairs (row of `query`, row of `items`).

    A collapsed encoder makes every item nearly tied with every other; its equal vectors are
    scored once.
    """
    if len(pairs) > DENSE and len(pairs) > (len(query) + len(items)):
        rows, row_of = _distinct(query, pairs[:, 0])
        columns, column_of = _distinct(items, pairs[:, 1])
        if len(rows) * len(columns) < len(pairs) // 4:
            grid = np.indices((len(rows), len(columns))).reshape(2, -1).T
            table = _chunks(score, rows, columns, pairs=grid).reshape(len(rows), len(columns))
            return np.asarray(table[row_of, column_of])
    return _chunks(score, query, items, pairs=pairs)


def _distinct(vectors: Floats, used: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """Return the different vectors among those used, with the place of each use."""
    numbers, place = np.unique(used, return_inverse=True)
    different, which = np.unique(vectors[numbers], axis=0, return_inverse=True)
    return different, which.reshape(-1)[place.reshape(-1)]


def _chunks(
    score: Cosine, query: Floats, items: Floats, *, pairs: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Score pairs a chunk at a time."""
    found = np.empty(len(pairs), dtype=np.float64)
    step = max(1, CHUNK_ELEMENTS // max(1, query.shape[1]))
    for start in range(0, len(pairs), step):
        part = pairs[start : start + step]
        found[start : start + step] = score.exact(query[part[:, 0]], items[part[:, 1]])
    return found
