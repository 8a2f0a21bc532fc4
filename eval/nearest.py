"""The nearest keys of every query as blocks of equal scores, listed as deep as a question needs.

Keys with equal vectors are ranked once. Legend: N queries, M keys, U different key vectors, n
queries of one answer, T listed vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.ranking import Problem, rank
from eval.scores import Cosine
from eval.space import Floats
from eval.ties import Ints, Reals

SPARE = 8  # vectors listed beyond those asked for, so that most blocks end within the list
DEEPER = 4
LISTED = 1 << 22  # listed vectors of one block of queries: 32 MB of scores


@dataclass(frozen=True)
class KeySpace:
    """M keys by their U different vectors.

    Attributes:
        vectors: (U, E) prepared vectors.
        entry: (M,) which of them each key has.
    """

    vectors: Floats
    entry: Ints

    @cached_property
    def sizes(self) -> Ints:
        """(U,) keys that share each vector."""
        return np.bincount(self.entry, minlength=len(self.vectors)).astype(np.int64)

    @cached_property
    def members(self) -> tuple[Ints, Ints]:
        """(M,) keys ordered by vector, and (U + 1,) where each vector's keys begin."""
        starts = np.concatenate([[0], np.cumsum(self.sizes)])
        return np.argsort(self.entry, kind="stable"), starts

    def counts(self, codes: Ints, classes: int) -> Any:
        """Return the sparse (U, classes) count of keys by class; a code of -1 is no class."""
        from scipy.sparse import csr_array

        named = codes >= 0
        place = (self.entry[named], codes[named])
        return csr_array(
            (np.ones(int(named.sum())), place), shape=(len(self.vectors), max(1, classes))
        )


@dataclass(frozen=True)
class Near:
    """The nearest vectors of n queries, best first.

    Attributes:
        numbers: (n,) which queries these are.
        entries: (n, T) numbers of key vectors.
        scores: (n, T) their scores.
        sizes: (n, T) keys with that vector.
        whole: (n, T) whether all keys of equal score are listed.
    """

    numbers: Ints
    entries: Ints
    scores: Reals
    sizes: Ints
    whole: NDArray[np.bool_]

    @cached_property
    def block(self) -> Ints:
        """(n, T) number of the block of equal scores, 0 = nearest."""
        steps = np.zeros(self.scores.shape, dtype=np.int64)
        steps[:, 1:] = self.scores[:, 1:] != self.scores[:, :-1]
        return np.asarray(np.cumsum(steps, axis=1))

    def totals(self, values: NDArray[Any]) -> Reals:
        """Return (n, T) the sum of (n, T) values over each block, by block number."""
        n, width = self.block.shape
        place = (np.arange(n)[:, None] * width + self.block).reshape(-1)
        sums = np.bincount(place, values.reshape(-1), n * width)
        return np.asarray(sums.reshape(n, width), dtype=np.float64)

    @cached_property
    def tied(self) -> Reals:
        """(n, T) keys of every block, by block number; 0 where there is no further block."""
        return self.totals(self.sizes)

    @cached_property
    def above(self) -> Reals:
        """(n, T) keys that lie nearer than each block, by block number."""
        return np.asarray(np.cumsum(self.tied, axis=1) - self.tied)

    @cached_property
    def complete(self) -> NDArray[np.bool_]:
        """(n, T) whether a block is whole, by block number."""
        return np.asarray((self.totals(~self.whole) == 0) & (self.tied > 0))

    def enough(self) -> Ints:
        """Return (n,) how many keys lie in whole blocks."""
        return np.asarray(np.where(self.complete, self.tied, 0).sum(axis=1), dtype=np.int64)

    def take(self, rows: NDArray[np.bool_]) -> Near:
        """Return the lists of some of the queries."""
        return Near(
            self.numbers[rows], self.entries[rows], self.scores[rows], self.sizes[rows],
            self.whole[rows],
        )  # fmt: skip


def key_space(vectors: Floats) -> KeySpace:
    """Return keys by their different vectors."""
    different, entry = np.unique(Cosine().prepare(vectors), axis=0, return_inverse=True)
    return KeySpace(np.ascontiguousarray(different), entry.reshape(-1).astype(np.int64))


def nearest(
    query: Floats, keys: KeySpace, settled: Callable[[Near], NDArray[np.bool_]], *, least: int
) -> Iterator[Near]:
    """Yield every query once, with a list long enough that `settled` says so, or the whole of it.

    Args:
        query: (N, E) vectors.
        keys: what is ranked.
        settled: which of some lists suffice.
        least: vectors that every list holds at least, where there are as many.
    """
    query, waiting, depth = Cosine().prepare(query), np.arange(len(query)), least + SPARE
    while len(waiting):
        depth = min(depth, len(keys.vectors))
        last, left = depth == len(keys.vectors), []
        step = max(1, LISTED // max(1, depth))
        for start in range(0, len(waiting), step):
            for found in _listed(query, keys, waiting[start : start + step], depth=depth):
                done = np.ones(len(found.numbers), dtype=bool) if last else settled(found)
                yield found.take(done)
                left.append(found.numbers[~done])
        waiting = np.sort(np.concatenate(left)) if left else waiting[:0]
        depth *= DEEPER


def _listed(query: Floats, keys: KeySpace, numbers: Ints, *, depth: int) -> Iterator[Near]:
    """Yield the `depth` nearest vectors of some queries."""
    none = [np.zeros(0, dtype=np.int64)] * len(numbers)
    problem = Problem(Cosine(), query[numbers], keys.vectors, none, none, top=depth)
    for part in rank(problem):
        entries, scores = part.best, part.scores
        ends = scores == scores[:, -1:]
        whole = np.ones_like(ends) if depth == len(keys.vectors) else ~ends
        yield Near(numbers[part.numbers], entries, scores, keys.sizes[entries], whole)
