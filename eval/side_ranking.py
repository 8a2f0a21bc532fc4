"""Ranks a gallery by a score of whole sides: tokens, or several modalities at once.

Scores of a block of queries with the whole gallery are made tile by tile, rounded, counted and
forgotten. Legend: N queries, M items, n queries of one block, K best items kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eval.ranking import Ranked
from eval.scores.scorer import Scorer
from eval.sides import Items
from eval.ties import Ints, Ranking, Reals
from workbench.errors import Failure

DECIMALS = 6
"""Places kept of a float64 score: the order in which a tile adds up decides no comparison."""

ROW_CELLS = 1 << 23  # scores of a block of queries with the whole gallery: 64 MB in float64
SIDE_NUMBERS = 1 << 23  # numbers of one side of a tile: 64 MB in float64
QUERY_TILE, GALLERY_TILE = 256, 2048


@dataclass(frozen=True)
class SideProblem:
    """What is ranked against what.

    Attributes:
        scorer: the score of the model.
        query: N items.
        gallery: M items.
        positives: N sorted arrays of gallery numbers.
        excluded: N sorted arrays of gallery numbers that are neither hit nor distractor.
        top: K, how many best items to keep.
    """

    scorer: Scorer
    query: Items
    gallery: Items
    positives: Sequence[Ints]
    excluded: Sequence[Ints]
    top: int = 10


def rank_sides(
    problem: SideProblem, *, query_tile: int = QUERY_TILE, gallery_tile: int = GALLERY_TILE
) -> Iterator[Ranked]:
    """Yield the outcome of every query, block by block; see `eval.ranking.rank`.

    Items of equal content are scored once and therefore tie; others tie when their scores are
    equal to six places.

    Raises:
        Failure: a score is not finite.
    """
    first, item_of = problem.gallery.distinct()
    items = problem.gallery[first]
    most = min(query_tile, ROW_CELLS // max(1, len(items)), _fitting(problem.query))
    step = max(1, most)
    for start in range(0, len(problem.query), step):
        numbers = np.arange(start, min(start + step, len(problem.query)))
        table = score_table(problem.scorer, problem.query[numbers], items, tile=gallery_tile)
        yield _outcome(problem, numbers, table, item_of)


def score_table(scorer: Scorer, query: Items, gallery: Items, *, tile: int = GALLERY_TILE) -> Reals:
    """Return (n, M) rounded scores of some queries; equal queries have equal rows.

    Raises:
        Failure: a score is not finite.
    """
    first, query_of = query.distinct()
    left = query[first].side()
    size = max(1, min(tile, _fitting(gallery)))
    table = np.empty((len(first), len(gallery)))
    for start in range(0, len(gallery), size):
        columns = np.arange(start, min(start + size, len(gallery)))
        found = scorer.compare(left, gallery[columns].side()).numpy()
        table[:, columns] = np.round(found.astype(np.float64), DECIMALS)
    if not np.isfinite(table).all():
        raise Failure(f"score {scorer.score.name}: a score is not finite, so nothing can be ranked")
    return np.asarray(table[query_of])


def _fitting(items: Items) -> int:
    """Return how many items make a side of the size allowed."""
    return SIDE_NUMBERS // items.weight()


def _outcome(problem: SideProblem, numbers: Ints, table: Reals, item_of: Ints) -> Ranked:
    """Return where positives stand in the rows of a block, and the best items."""
    blocks: list[NDArray[np.int64]] = []
    best = np.full((len(numbers), problem.top), -1, dtype=np.int64)
    scores = np.full((len(numbers), problem.top), np.nan)
    for place, number in enumerate(numbers):
        row = table[place][item_of]
        row[problem.excluded[number]] = -np.inf
        blocks.append(_blocks(place, row, row[problem.positives[number]]))
        chosen = _best(row, problem.top)
        best[place, : len(chosen)], scores[place, : len(chosen)] = chosen, row[chosen]
    lines = np.concatenate(blocks) if blocks else np.zeros((0, 4), dtype=np.int64)
    query, above, tied, positives = lines.T
    sizes = [len(item_of) - len(problem.excluded[number]) for number in numbers]
    ranking = Ranking(
        query, above, tied, positives, positives.astype(np.float64), np.array(sizes, dtype=np.int64)
    )
    return Ranked(numbers, ranking, best, scores)


def _blocks(place: int, row: Reals, positives: Reals) -> Ints:
    """Return (B, 4) lines (query, above, tied, positives), one per score of a positive, best first."""
    levels, counts = np.unique(positives, return_counts=True)
    below = np.searchsorted(levels, row)
    reached = np.bincount(below, minlength=len(levels) + 1)[: len(levels) + 1]
    above = len(row) - np.cumsum(reached)[: len(levels)]
    inside = below[below < len(levels)]
    tied = np.bincount(inside[levels[inside] == row[below < len(levels)]], minlength=len(levels))
    lines = np.stack([np.full(len(levels), place), above, tied, counts], axis=1)
    return lines[::-1].astype(np.int64)


def _best(row: Reals, count: int) -> Ints:
    """Return the items of the largest scores, best first, ties by number; no excluded one."""
    count = min(count, len(row))
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    least = np.partition(row, -count)[-count]
    above, level = np.flatnonzero(row > least), np.flatnonzero(row == least)
    chosen = np.concatenate([above, level[: count - len(above)]])
    chosen = chosen[np.isfinite(row[chosen])]
    return np.asarray(chosen[np.lexsort((chosen, -row[chosen]))])
