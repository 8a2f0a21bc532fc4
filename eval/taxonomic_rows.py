"""The metric rows and predictions of open-world taxonomy.

Legend: N queries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.intervals import Resampler, Statistic
from eval.many_classes import class_mean, harmonic, share
from eval.rows import Sheet, config_digest, resampler, sheet
from eval.space import Space
from eval.task import Context, Metric, Result
from eval.taxonomic import TaxonomicOptions
from eval.taxonomic_keys import Asked, Keys, Taxon
from eval.taxonomic_measure import Measured, Named
from eval.ties import Ints, Reals
from eval.weighted import mean

Mask = NDArray[np.bool_]

UNNAMED = "no name at this rank"
NO_KEY = "taxon without key"
ONE_KEY = "one key per species"
SPECIES = "species"


@dataclass
class Book:
    """Rows and predictions, filled one kind of keys at a time.

    Attributes:
        space: the shared space.
        options: of the task.
        context: seed and replicates.
        asked: the queries.
    """

    space: Space
    options: TaxonomicOptions
    context: Context
    asked: Asked
    rows: list[Metric] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    drawn: dict[tuple[str, ...], Resampler] = field(default_factory=dict)

    def add(self, keys: Keys, found: Measured, *, one_key: bool) -> None:
        """Add the rows and predictions of one kind of keys."""
        for taxon, one in zip(self.asked.taxa, found.ranks, strict=True):
            for novel in (False, True):
                if not novel or (self._doubled() and not one_key):
                    self._pools(keys, taxon, one, suffix=_suffix(novel, one_key))
        if not one_key:
            self._nearest_rows(keys, found)
        self._predictions(keys, found, one_key=one_key)

    def result(self) -> Result:
        """Return what was added, predictions sorted by id, keys in their order."""
        order = sorted(range(len(self.columns["id"])), key=lambda i: self.columns["id"][i])
        table = {name: [values[i] for i in order] for name, values in self.columns.items()}
        return Result(self.rows, table, {"taxonomy": _summary(self.rows)})

    def _doubled(self) -> bool:
        """Whether some queries, but not all, have their content among the key specimens."""
        return bool((~self.asked.novel).any() and self.asked.novel.any())

    def _pools(self, keys: Keys, taxon: Taxon, one: Named, *, suffix: str) -> None:
        """Add the rows of one rank: seen, unseen, both as one, and unseen by species."""
        alive = one.named.copy()
        if self.options.no_positive == "exclude":
            alive &= one.positive > 0
        if suffix == _suffix(True, False):
            alive &= self.asked.novel
        late = self.asked.unseen
        masks = {"seen": alive & ~late, "unseen": alive & late, "hm": alive}
        for pool, mask in masks.items():
            page = self._page(keys, taxon, one, mask=mask, pool=pool + suffix)
            _fill(page, one, self._codes(taxon)[mask], mask=mask, options=self.options,
                  late=late[mask] if pool == "hm" else None)  # fmt: skip
            self.rows += page.rows
        mask = masks["unseen"]
        page = self._page(keys, taxon, one, mask=mask, pool=f"unseen{suffix}, by species")
        _fill(page, one, self._codes(taxon)[mask], mask=mask, options=self.options, late=None)
        self.rows += page.rows

    def _codes(self, taxon: Taxon) -> Ints:
        return taxon.codes[self.asked.rows]

    def _page(self, keys: Keys, taxon: Taxon, one: Named, *, mask: Mask, pool: str) -> Sheet:
        """Return an empty sheet for some queries; species are its unit where the pool says so."""
        by_species, own = pool.endswith("by species"), self.asked.groups
        names = self._species() if by_species else own
        groups = tuple(names[i] for i in np.flatnonzero(mask))
        if groups not in self.drawn:
            self.drawn[groups] = resampler(groups, self.context)
        splits = {"seen": self.options.seen, "unseen": self.options.unseen}
        split = splits.get(pool.partition(",")[0], "+".join(splits.values()))
        return sheet(
            self.drawn[groups], task="taxonomic", query=self.options.query, gallery=keys.name,
            label=taxon.name, rank=taxon.name, split=split, model=self.space.model,
            score=self.space.score, pool=pool, gallery_size=one.size,
            config_digest=config_digest(self.options, self.context),
            n_excluded=self._excluded(one, pool), **({"unit": SPECIES} if by_species else {}),
        )  # fmt: skip

    def _species(self) -> tuple[str, ...]:
        """Return (N,) the species of each query as a unit; an unnamed query is its own group."""
        codes = self.asked.taxa[-1].paths[self.asked.rows]
        return tuple(
            f"species {code}" if code >= 0 else f"group {group}"
            for code, group in zip(codes, self.asked.groups, strict=True)
        )

    def _excluded(self, one: Named, pool: str) -> dict[str, int]:
        """Count who is not in a pool, by reason."""
        late, found = self.asked.unseen, Counter[str]()
        sides = zip(("seen", "unseen"), self.asked.parts, (~late, late), strict=True)
        for name, part, inside in sides:
            if pool.partition(",")[0] in ("hm", name):
                found.update(part.excluded)
                found[UNNAMED] += int((inside & ~one.named).sum())
                if self.options.no_positive == "exclude":
                    found[NO_KEY] += int((inside & one.named & (one.positive == 0)).sum())
                if ", novel" in pool:
                    found["content among the keys"] += int((inside & ~self.asked.novel).sum())
        return {reason: n for reason, n in sorted(found.items()) if n}

    def _nearest_rows(self, keys: Keys, found: Measured) -> None:
        """Add whose keys lie nearest to unseen queries, and how near the wrong species are kin."""
        species, last = self.asked.taxa[-1], found.ranks[-1]
        late = self.asked.unseen
        page = self._page(keys, species, last, mask=late, pool="unseen")
        luck = float(self.asked.seen_key[keys.rows].mean()) if len(keys.rows) else None
        statistic = mean(found.from_seen[late], page.resampler.index)
        page.add("nearest_seen", statistic, chance=luck, average="micro")
        self.rows += page.rows
        shares = _kinship(found.ranks)
        for pool, inside in (("seen", ~late), ("unseen", late)):
            mask = inside & (last.named if self.options.by == "path" else species.paths[
                self.asked.rows] >= 0) & np.isfinite(last.shared)  # fmt: skip
            page = self._page(keys, species, last, mask=mask, pool=pool)
            wrong = 1 - last.shared[mask]
            names = (*(t.name for t in self.asked.taxa[:-1]), "none")
            for name, part in zip(names, shares, strict=True):
                statistic = share(part[mask], wrong, page.resampler.index)
                page.add("error_lowest_shared_rank", statistic, rank=name, average="micro")
            self.rows += page.rows

    def _predictions(self, keys: Keys, found: Measured, *, one_key: bool) -> None:
        """Add one line per query and kind of keys."""
        start = 0
        for part, pool in zip(self.asked.parts, ("seen", "unseen"), strict=True):
            inside = slice(start, start + len(part))
            start += len(part)
            table = part.table(_columns(self, keys, found, inside=inside))
            size = len(table["id"])
            front = {
                "id": table.pop("id"), "query": [self.options.query] * size,
                "gallery": [keys.name] * size, "keys": [ONE_KEY if one_key else "all"] * size,
                "pool": [pool] * size,
            }  # fmt: skip
            for name, values in {**front, **table}.items():
                self.columns.setdefault(name, []).extend(values)


def _fill(
    page: Sheet, one: Named, codes: Ints, *, mask: Mask, options: TaxonomicOptions,
    late: Mask | None,
) -> None:  # fmt: skip
    """Add accuracy at every k; with `late`, the harmonic mean of both pools."""
    averages = ("macro",) if page.shared["unit"] == SPECIES else ("micro", "macro")
    metric = "accuracy_distinct" if options.distinct else "accuracy"
    for k in options.k:
        for average in averages:
            columns: dict[str, Any] = {"average": average, "k": k}
            if k > one.size:
                page.add_value(metric, None, reason=f"{one.size} to rank, fewer than k", **columns)
                continue
            make = partial(_statistic, codes=codes, late=late, average=average, index=_index(page))
            chance = page.resampler.point(make(one.chances(k)[mask]))
            page.add(metric, make(one.hits(k)[mask]), chance=chance, **columns)


def _index(page: Sheet) -> Ints:
    return page.resampler.index


def _statistic(
    values: Reals, *, codes: Ints, late: Mask | None, average: str, index: Ints
) -> Statistic:
    """Return the mean over queries or over taxa, or the harmonic mean of those of two pools."""

    def plain(part: Reals) -> Statistic:
        return mean(part, index) if average == "micro" else class_mean(part, codes, index)

    if late is None:
        return plain(values)
    seen, unseen = (np.where(late == wanted, values, np.nan) for wanted in (False, True))
    return harmonic(plain(seen), plain(unseen))


def _suffix(novel: bool, one_key: bool) -> str:
    return ", novel" if novel else f", {ONE_KEY}" if one_key else ""


def _kinship(ranks: Sequence[Named]) -> list[Reals]:
    """Return, for every rank but the last and for none, (N,) shares of nearest keys of that kinship.

    A key's lowest shared rank is the last down to which its path is the query's.
    """
    shared = [np.nan_to_num(one.shared) for one in ranks]
    parts = [upper - lower for upper, lower in pairwise(shared)]
    return [*parts, 1 - shared[0]]


def _columns(book: Book, keys: Keys, found: Measured, *, inside: slice) -> dict[str, Sequence[Any]]:
    """Return the per-query columns from which every number can be computed again."""
    asked, ids = book.asked, book.space.rows.ids
    best = found.best[inside]
    columns: dict[str, Sequence[Any]] = {
        "novel": [bool(value) for value in asked.novel[inside]],
        "top_ids": [[ids[keys.rows[key]] for key in line if key >= 0] for line in best],
        "top_scores": [[float(v) for v in line if np.isfinite(v)] for line in found.scores[inside]],
        "nearest_seen": _optional(found.from_seen[inside]),
    }
    first = [keys.rows[line[0]] if line[0] >= 0 else None for line in best]
    for taxon, one in zip(asked.taxa, found.ranks, strict=True):
        name, has = taxon.name, one.above[inside] >= 0
        columns |= {
            f"true_{name}": [taxon.words[row] for row in asked.rows[inside]],
            f"taxon_{name}": [int(v) for v in taxon.codes[asked.rows[inside]]],
            f"predicted_{name}": [None if row is None else taxon.words[row] for row in first],
            f"gallery_size_{name}": [one.size] * len(first),
            f"n_positive_{name}": [int(v) for v in one.positive[inside]],
            f"shared_{name}": _optional(one.shared[inside]),
        }
        for column, values in _blocks(one).items():
            pairs = zip(values[inside], has, strict=True)
            columns[f"{column}_{name}"] = [int(v) if known else None for v, known in pairs]
    return columns


def _blocks(one: Named) -> Mapping[str, Ints]:
    return {"n_above": one.above, "n_tied": one.tied, "n_tied_positive": one.matching}


def _optional(values: Reals) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]


def _summary(rows: Sequence[Metric]) -> list[dict[str, Any]]:
    """Return seen, unseen and harmonic mean side by side, one entry per keys, rank, k and average."""
    lines: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        pool, _, rest = str(row.pool).partition(", ")
        if not row.metric.startswith("accuracy") or "by species" in rest:
            continue
        place = {"keys": row.gallery, "queries": rest or "all", "rank": row.rank, "k": row.k,
                 "average": row.average}  # fmt: skip
        lines.setdefault(tuple(place.values()), place)[pool] = row.value
    return list(lines.values())
