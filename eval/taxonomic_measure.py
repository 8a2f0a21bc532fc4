"""What the nearest keys of every query say at every rank, ties in closed form.

Legend: N queries, M keys, n queries of one answer, T listed vectors, R ranks, K listed keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval import ties
from eval.nearest import KeySpace, Near, key_space, nearest
from eval.taxonomic import TaxonomicOptions
from eval.taxonomic_keys import Asked, Keys, Taxon
from eval.ties import Ints, Ranking, Reals

LEAST = 10


@dataclass(frozen=True)
class Named:
    """What was found at one rank.

    Attributes:
        named: (N,) whether the query has a name there.
        positive: (N,) keys (or, for distinct names, names) that match it.
        above: (N,) keys nearer than the first match; -1 where it is not among the first k.
        tied: (N,) keys that tie with it, itself included.
        matching: (N,) matches among these.
        size: keys, or names, that were ranked.
        shared: (N,) share of the nearest keys with the same path down to this rank.
    """

    named: NDArray[np.bool_]
    positive: Ints
    above: Ints
    tied: Ints
    matching: Ints
    size: int
    shared: Reals

    def hits(self, k: int) -> Reals:
        """Return (N,) the chance that a match is among the first k; 0 without, NaN unnamed."""
        has = np.flatnonzero(self.above >= 0)
        return self._filled(has, (self.above[has], self.tied[has], self.matching[has]), k)

    def chances(self, k: int) -> Reals:
        """Return (N,) the same where all keys tie."""
        has = np.flatnonzero(self.positive > 0)
        zero = np.zeros(len(has), dtype=np.int64)
        return self._filled(has, (zero, zero + self.size, self.positive[has]), k)

    def _filled(self, has: Ints, block: tuple[Ints, Ints, Ints], k: int) -> Reals:
        above, tied, matching = block
        sizes = np.full(len(self.named), self.size)
        ranking = Ranking(has, above, tied, matching, matching.astype(np.float64), sizes)
        found = np.nan_to_num(ties.hit(ranking, k), nan=0.0)
        return np.where(self.named, found, np.nan)


@dataclass(frozen=True)
class Measured:
    """The outcome of one kind of keys.

    Attributes:
        ranks: one per rank, from the top down.
        from_seen: (N,) share of the nearest keys that come from trained species.
        best: (N, K) numbers of the nearest keys, -1 where there are fewer.
        scores: (N, K) their scores.
    """

    ranks: tuple[Named, ...]
    from_seen: Reals
    best: Ints
    scores: Reals


def measure(keys: Keys, asked: Asked, options: TaxonomicOptions) -> Measured:
    """Rank the keys for every query and read off what all ranks need."""
    space, most = key_space(keys.vectors), max(options.k)
    count, listed = len(asked.rows), max(LEAST, most)
    ranks = [_empty(taxon, keys, asked, options=options) for taxon in asked.taxa]
    tables = [_tables(space, taxon, keys) for taxon in asked.taxa]
    seen = np.bincount(space.entry, asked.seen_key[keys.rows], len(space.vectors))
    found = Measured(tuple(ranks), np.full(count, np.nan), np.full((count, listed), -1),
                     np.full((count, listed), np.nan))  # fmt: skip
    if len(keys.rows) == 0 or count == 0:
        return found

    def settled(near: Near) -> NDArray[np.bool_]:
        if not options.distinct:
            return near.enough() >= most
        enough = [
            _names(near, table)[0] >= min(most, one.size)
            for (table, _), one in zip(tables, ranks, strict=True)
        ]
        return np.asarray(np.all(enough, axis=0))

    for near in nearest(keys.query, space, settled, least=listed):
        rows = asked.rows[near.numbers]
        found.from_seen[near.numbers] = _first_share(near, seen[near.entries])
        _list(found, near, space)
        for one, taxon, (table, paths) in zip(ranks, asked.taxa, tables, strict=True):
            shared = _match(near, paths, taxon.paths[rows])
            one.shared[near.numbers] = _first_share(near, shared)
            codes = taxon.codes[rows]
            block = (
                _first_name(near, table, codes) if options.distinct
                else _first_key(near, _match(near, table, codes))
            )  # fmt: skip
            for target, values in zip((one.above, one.tied, one.matching), block, strict=True):
                target[near.numbers] = values
    return found


def _empty(taxon: Taxon, keys: Keys, asked: Asked, *, options: TaxonomicOptions) -> Named:
    """Return a rank with nothing found yet."""
    codes, count = taxon.codes[keys.rows], len(asked.rows)
    mine = taxon.codes[asked.rows]
    by_code = np.bincount(codes[codes >= 0], minlength=taxon.size + 1)
    if options.distinct:
        by_code = (by_code > 0).astype(np.int64)
    none = np.full(count, -1, dtype=np.int64)
    zero = np.zeros(count, dtype=np.int64)
    positive = np.where(mine >= 0, by_code[mine], 0)
    size = int(by_code.sum()) if options.distinct else len(keys.rows)
    return Named(mine >= 0, positive, none, zero, zero.copy(), size, np.full(count, np.nan))


def _tables(space: KeySpace, taxon: Taxon, keys: Keys) -> tuple[Any, Any]:
    """Return the counts of keys by vector and taxon, by the options' match and by path."""
    counts = space.counts(taxon.codes[keys.rows], taxon.size)
    if taxon.codes is taxon.paths:
        return counts, counts
    return counts, space.counts(taxon.paths[keys.rows], taxon.size)


def _match(near: Near, table: Any, codes: Ints) -> Reals:
    """Return (n, T) how many keys of each listed vector have the query's taxon."""
    wanted = np.maximum(codes, 0)[:, None]
    found = table[near.entries.reshape(-1), np.broadcast_to(wanted, near.entries.shape).reshape(-1)]
    found = np.asarray(found.todense() if hasattr(found, "todense") else found, dtype=np.float64)
    return np.where(codes[:, None] >= 0, found.reshape(near.entries.shape), 0.0)


def _first_share(near: Near, values: NDArray[Any]) -> Reals:
    """Return (n,) the sum of values over the nearest block, over its keys."""
    return np.asarray(near.totals(values)[:, 0] / near.tied[:, 0])


def _first_key(near: Near, matching: Reals) -> tuple[Ints, Ints, Ints]:
    """Return keys above, tied and matching at the first whole block with a match; -1 without."""
    by_block = near.totals(matching)
    has = (by_block > 0) & near.complete
    first, any_ = has.argmax(axis=1), has.any(axis=1)
    line = np.arange(len(first))
    above = np.where(any_, near.above[line, first], -1)
    parts = (above, near.tied[line, first], by_block[line, first])
    return tuple(np.rint(part).astype(np.int64) for part in parts)  # type: ignore[return-value]


def _names(near: Near, table: Any) -> tuple[Ints, Ints, Ints, Ints]:
    """Return (n,) names in whole blocks, and row, name and first block of every listed name."""
    n, width = near.entries.shape
    part = table[near.entries.reshape(-1)].tocoo()
    place = part.coords[0] if hasattr(part, "coords") else part.row
    name = part.coords[1] if hasattr(part, "coords") else part.col
    row, block = place // width, near.block.reshape(-1)[place]
    kept = near.complete[row, block]
    row, name, block = row[kept], name[kept], block[kept]
    order = np.lexsort((block, name, row))
    row, name, block = row[order], name[order], block[order]
    new = np.ones(len(row), dtype=bool)
    new[1:] = (row[1:] != row[:-1]) | (name[1:] != name[:-1])
    row, name, block = row[new], name[new], block[new]
    return np.bincount(row, minlength=n), row, name, block


def _first_name(near: Near, table: Any, codes: Ints) -> tuple[Ints, Ints, Ints]:
    """Return names above and tied with the query's own name, by their nearest keys; -1 without."""
    _, row, name, block = _names(near, table)
    own = np.full(len(codes), -1, dtype=np.int64)
    mine = name == codes[row]
    own[row[mine]] = block[mine]
    above = np.bincount(row, (block < own[row]), len(codes))
    tied = np.bincount(row, (block == own[row]), len(codes))
    above = np.where(own >= 0, above, -1)
    return above.astype(np.int64), tied.astype(np.int64), (own >= 0).astype(np.int64)


def _list(found: Measured, near: Near, space: KeySpace) -> None:
    """Keep the K nearest keys of every query."""
    members, starts = space.members
    width = found.best.shape[1]
    for line, number in enumerate(near.numbers):
        keys: list[int] = []
        scores: list[float] = []
        for entry, score in zip(near.entries[line], near.scores[line], strict=True):
            fresh = members[starts[entry] : starts[entry + 1]][: width - len(keys)]
            keys += [int(key) for key in fresh]
            scores += [float(score)] * len(fresh)
            if len(keys) >= width:
                break
        found.best[number, : len(keys)] = keys
        found.scores[number, : len(keys)] = scores
