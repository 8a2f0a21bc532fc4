"""Finds where every query's positives stand in a gallery, without a table of queries x gallery.

Queries and gallery are multiplied tile by tile; each tile is counted and forgotten, nothing is
sorted as a whole, and memory does not grow with the gallery. Legend: N queries, M items, E width,
n queries of one tile, T items of one tile, K best items kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eval.best import Best
from eval.counting import Counter
from eval.scores.engine import pack, product
from eval.ties import Ints, Ranking, Reals
from workbench.errors import Failure

if TYPE_CHECKING:
    from torch import Tensor

    from eval.scores import Cosine

Floats = NDArray[np.float32]

QUERY_TILE = 512
GALLERY_TILE = 4096
TILES = 8  # tiles of queries that share one packed tile of the gallery
THRESHOLDS = 1 << 20  # per block of queries: 8 MB in float64
BOTH = 1 << 23  # thresholds kept for the backward direction: 64 MB in float64


@dataclass(frozen=True)
class Problem:
    """What is ranked against what.

    Attributes:
        score: the score of the model.
        query: (N, E) prepared query vectors.
        gallery: (M, E) prepared gallery vectors.
        positives: N sorted arrays of gallery numbers.
        excluded: N sorted arrays of gallery numbers that are neither hit nor distractor.
        top: K, how many best items to keep.
    """

    score: Cosine
    query: Floats
    gallery: Floats
    positives: Sequence[Ints]
    excluded: Sequence[Ints]
    top: int = 10


@dataclass(frozen=True)
class Ranked:
    """The outcome for some queries.

    Attributes:
        numbers: (n,) which queries these are.
        ranking: where their positives stand; its query 0 is `numbers[0]`.
        best: (n, K) gallery numbers, best first, -1 where the gallery is shorter.
        scores: (n, K) their scores, NaN where there is none.
    """

    numbers: Ints
    ranking: Ranking
    best: Ints
    scores: Reals


def rank(
    problem: Problem, *, query_tile: int = QUERY_TILE, gallery_tile: int = GALLERY_TILE
) -> Iterator[Ranked]:
    """Yield the outcome of every query, tile by tile; the tile sizes change no value.

    Raises:
        Failure: a vector is not finite.
    """
    for numbers in _query_blocks(problem, query_tile * TILES):
        parts = [
            _Part(problem, numbers[i : i + query_tile])
            for i in range(0, len(numbers), query_tile)
        ]  # fmt: skip
        for start, items in _tiles(problem.gallery, gallery_tile):
            right = pack(items)
            for part in parts:
                part.add(product(part.left, right), start, items.numpy())
        yield from (part.finish() for part in parts)


def rank_both(
    forward: Problem, backward: Problem, *, query_tile: int = QUERY_TILE,
    gallery_tile: int = GALLERY_TILE,
) -> tuple[list[Ranked], list[Ranked]]:  # fmt: skip
    """Rank two problems, one the other turned round, from one product of their vectors.

    The values are those of `rank` on each. Problems that are not each other's mirror image, or
    whose backward thresholds would need too much memory, are ranked one after the other.

    Raises:
        Failure: a vector is not finite.
    """
    if not mirrored(forward, backward) or _thresholds(backward) > BOTH:
        sizes = {"query_tile": query_tile, "gallery_tile": gallery_tile}
        return list(rank(forward, **sizes)), list(rank(backward, **sizes))
    back = [_Part(backward, np.arange(start, start + len(items)))
            for start, items in _tiles(forward.gallery, gallery_tile)]  # fmt: skip
    found: list[Ranked] = []
    for first in range(0, len(forward.query), query_tile * TILES):
        last = min(first + query_tile * TILES, len(forward.query))
        parts = [_Part(forward, np.arange(i, min(i + query_tile, last)))
                 for i in range(first, last, query_tile)]  # fmt: skip
        for (start, items), column in zip(_tiles(forward.gallery, gallery_tile), back, strict=True):
            right = pack(items)
            for part in parts:
                table = product(part.left, right)
                part.add(table, start, items.numpy())
                column.add(table.T, int(part.numbers[0]), part.query)
        found += [part.finish() for part in parts]
    return found, [column.finish() for column in back]


def mirrored(forward: Problem, backward: Problem) -> bool:
    """Return whether the queries of each problem are the gallery of the other, in order."""
    return forward.score.name == backward.score.name and all(
        one.shape == other.shape and np.array_equal(one, other)
        for one, other in (
            (forward.query, backward.gallery), (forward.gallery, backward.query),
        )
    )  # fmt: skip


class _Part:
    """Queries of one tile with what is counted for them."""

    def __init__(self, problem: Problem, numbers: Ints) -> None:
        self.problem, self.numbers = problem, numbers
        self.query = _taken(problem.query, numbers)
        self.left = _tensor(self.query)
        excluded = [problem.excluded[i] for i in numbers]
        self.counter = Counter(
            problem.score, self.query, problem.gallery,
            positives=[problem.positives[i] for i in numbers], excluded=excluded,
        )  # fmt: skip
        self.best = Best(self.query, excluded, problem.top)

    def add(self, table: Tensor, start: int, items: Floats) -> None:
        self.best.add(table, start)
        self.counter.add(table, start, items)

    def finish(self) -> Ranked:
        best, scores = self.best.finish(self.problem.score, self.problem.gallery)
        return Ranked(self.numbers, self.counter.finish(), best, scores)


def _query_blocks(problem: Problem, size: int) -> Iterator[Ints]:
    """Yield query numbers in blocks of similar P, so that padding thresholds stays cheap."""
    counts = np.array([len(p) for p in problem.positives], dtype=np.int64)
    order = np.argsort(counts, kind="stable")
    end = len(order)
    while end > 0:
        widest = max(1, int(counts[order[end - 1]]))
        start = max(0, end - min(size, max(1, THRESHOLDS // widest)))
        yield np.sort(order[start:end])
        end = start


def _taken(vectors: Floats, numbers: Ints) -> Floats:
    """Return some vectors in one piece, without a copy where they lie side by side."""
    first, last = int(numbers[0]), int(numbers[-1])
    together = len(numbers) == last - first + 1
    return np.ascontiguousarray(vectors[first : last + 1] if together else vectors[numbers])


def _tiles(gallery: Floats, size: int) -> Iterator[tuple[int, Tensor]]:
    """Yield the first number and the vectors of every tile; only one is in memory."""
    for start in range(0, len(gallery), size):
        yield start, _tensor(np.ascontiguousarray(gallery[start : start + size]))


def _tensor(vectors: Floats) -> Tensor:
    """Return vectors as a tensor, and refuse what no score is defined on."""
    import torch

    tensor = torch.from_numpy(vectors)
    if not bool(tensor.sum().isfinite()):  # finite vectors of length one cannot overflow it
        raise Failure("a vector to be ranked is not finite; every score needs finite numbers")
    return tensor


def _thresholds(problem: Problem) -> int:
    """Return how many thresholds a problem has, padded."""
    return len(problem.query) * max((len(items) for items in problem.positives), default=0)
