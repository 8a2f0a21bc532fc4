"""Scores listed pairs of vectors in float64, whatever their number, in a fixed order of addition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eval.threads import in_threads

if TYPE_CHECKING:
    from eval.scores import Cosine

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

CHUNK_ELEMENTS = 1 << 16  # 0.5 MB of float64 products at a time, which caches hold
SHARE = 16  # chunks that a thread takes at a time
SAMPLE = 256
DENSE = 4096  # from here on it pays to look for equal vectors first


def exact_pairs(score: Cosine, query: Floats, items: Floats, *, pairs: Ints) -> NDArray[np.float64]:
    """Return (L,) scores of L pairs (row of `query`, row of `items`).

    A collapsed encoder makes every item nearly tied with every other; its equal vectors are
    scored once.
    """
    if len(pairs) > DENSE and _repetitive(query, items, pairs=pairs):
        rows, row_of = _distinct(query, pairs[:, 0])
        columns, column_of = _distinct(items, pairs[:, 1])
        if len(rows) * len(columns) < len(pairs) // 4:
            grid = np.indices((len(rows), len(columns))).reshape(2, -1).T
            table = _chunks(score, rows, columns, pairs=grid).reshape(len(rows), len(columns))
            return np.asarray(table[row_of, column_of])
    return _chunks(score, query, items, pairs=pairs)


def pairs_of(lists: Sequence[Ints]) -> Ints:
    """Return (L, 2) the (row, item) of every item of every list, rows in order."""
    rows = np.repeat(np.arange(len(lists)), [len(items) for items in lists])
    items = np.concatenate(lists) if lists else np.zeros(0, dtype=np.int64)
    return np.stack([rows, items.astype(np.int64)], axis=1)


def within(pairs: Ints, start: int, count: int) -> Ints:
    """Return the pairs whose item is one of `count` from `start` on, counted from there."""
    inside = (pairs[:, 1] >= start) & (pairs[:, 1] < start + count)
    return np.asarray(pairs[inside] - np.array([0, start]))


def _repetitive(query: Floats, items: Floats, *, pairs: Ints) -> bool:
    """Return whether some of the pairs leave it open that most are of equal vectors."""
    few = pairs[:: max(1, len(pairs) // SAMPLE)]
    rows, columns = (len(_distinct(v, few[:, i])[0]) for i, v in enumerate((query, items)))
    return rows * columns < len(pairs) // 4


def _distinct(vectors: Floats, used: Ints) -> tuple[Floats, Ints]:
    """Return the different vectors among those used, with the place of each use."""
    numbers, place = np.unique(used, return_inverse=True)
    rows = np.ascontiguousarray(vectors[numbers])
    weights = np.random.default_rng(0).integers(1, 1 << 63, rows.shape[1], dtype=np.uint64)
    keys = (rows.view(np.uint32) * weights).sum(axis=1)  # wraps round: a hash of the bits
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    which = which.reshape(-1)
    if not np.array_equal(rows, rows[first][which]):  # two vectors share a key
        first, which = np.arange(len(rows)), np.arange(len(rows))
    return rows[first], which[place.reshape(-1)]


def _chunks(score: Cosine, query: Floats, items: Floats, *, pairs: Ints) -> NDArray[np.float64]:
    """Score pairs a chunk at a time; a pair's score does not depend on its chunk."""
    found = np.empty(len(pairs), dtype=np.float64)
    step = max(1, CHUNK_ELEMENTS // max(1, query.shape[1]))

    def fill(first: int) -> None:
        for start in range(first, min(first + SHARE * step, len(pairs)), step):
            part = pairs[start : start + step]
            found[start : start + step] = score.exact(query[part[:, 0]], items[part[:, 1]])

    in_threads(fill, range(0, len(pairs), SHARE * step))
    return found
