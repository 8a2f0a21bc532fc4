"""Finds or counts the scores of one tile that exceed a mark per row, wherever the tile lies in memory.

A tile read sideways (the transpose of what a product wrote) is searched in the order in which it
lies, a block at a time, so that flags stay in the caches. Legend: n rows, T columns, L scores found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eval.threads import in_threads

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

BLOCK = 1 << 18  # scores that one thread compares at a time: 1 MB in float32
LANES = 255  # lines of flags that eight-bit sums hold


def find_above(table: Tensor, marks: Floats, *, most: float) -> tuple[Ints, Ints] | None:
    """Return rows and columns of the (L,) scores above the (n,) mark of their row, rows in order.

    None when more than the share `most` of the tile are, which is as well counted by rows.
    """
    scores, sideways = lying(table)
    width, aligned = max(1, scores.shape[1]), _aligned(scores, marks, sideways)
    parts: dict[int, Ints] = {}
    room = most * scores.size

    def find(part: slice) -> None:
        if sum(map(len, list(parts.values()))) <= room:
            places = np.flatnonzero(np.greater(scores[part], aligned[part]))
            parts[part.start] = places + part.start * width

    _in_blocks(find, scores)
    places = np.concatenate([np.zeros(0, np.int64), *(parts[start] for start in sorted(parts))])
    if len(places) > room:
        return None
    line, place = np.divmod(places, width)
    if not sideways:
        return line, place
    order = np.argsort(place.astype(np.min_scalar_type(width)), kind="stable")  # by radix if short
    return place[order], line[order]


def count_above(table: Tensor, marks: Floats) -> Ints:
    """Return (n,) how many scores of each row exceed the (n,) mark of the row."""
    scores, sideways = lying(table)
    aligned, count = _aligned(scores, marks, sideways), _by_column if sideways else _by_row
    parts: dict[int, Ints] = {}

    def note(part: slice) -> None:
        parts[part.start] = count(np.greater(scores[part], aligned[part]))

    _in_blocks(note, scores)
    found = [parts[start] for start in sorted(parts)]
    if not found:
        return np.zeros(len(marks), dtype=np.int64)
    return np.asarray(np.sum(found, axis=0) if sideways else np.concatenate(found))


def lying(table: Tensor) -> tuple[Floats, bool]:
    """Return the scores in the order of memory, and whether that is the table turned round."""
    scores = table.numpy()
    sideways = not scores.flags.c_contiguous and scores.T.flags.c_contiguous
    return (scores.T if sideways else scores), sideways


def _aligned(scores: Floats, marks: Floats, sideways: bool) -> Floats:
    """Return the marks in the shape of the scores, without a copy."""
    return np.broadcast_to(marks[None] if sideways else marks[:, None], scores.shape)


def _in_blocks(work: Callable[[slice], None], scores: Floats) -> None:
    """Call `work` with every block of lines that the caches hold."""
    step = min(LANES, max(1, BLOCK // max(1, scores.shape[1])))
    blocks = [slice(start, start + step) for start in range(0, len(scores), step)]
    in_threads(work, blocks)


def _by_row(flags: Flags) -> Ints:
    """Count the flags of each line, eight at a time where they allow it."""
    if flags.shape[1] % 8:
        return np.asarray(np.count_nonzero(flags, axis=1), dtype=np.int64)
    return np.asarray(np.bitwise_count(flags.view(np.uint64)).sum(axis=1, dtype=np.int64))


def _by_column(flags: Flags) -> Ints:
    """Count the flags across at most 255 lines, eight columns at a time where they allow it."""
    if flags.shape[1] % 8:
        return np.asarray(np.count_nonzero(flags, axis=0), dtype=np.int64)
    sums = np.add.reduce(flags.view(np.uint64), axis=0)  # no eight-bit part runs over
    return np.asarray(sums.view(np.uint8).astype(np.int64))
