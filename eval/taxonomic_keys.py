"""The two sides of open-world taxonomy: queries with their lineages, and every kind of keys.

Legend: N queries, M keys, E width, P manifest rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eval.relations import row_keys
from eval.scores.cosine import unit
from eval.selection import Selection, column, select
from eval.sides import JOINT, part_names, trained_score, with_joint
from eval.space import Floats, Rows, Space
from eval.taxonomic import TaxonomicOptions
from eval.ties import Ints
from workbench.errors import Refusal
from workbench.seeding import keyed_rng

TRAINED = "species was trained on"


@dataclass(frozen=True)
class Taxon:
    """One rank: the name of every manifest row.

    Attributes:
        name: the rank's column.
        codes: (P,) number of each row's taxon, -1 unnamed; equal numbers match.
        paths: (P,) the same by the whole path, whatever the options match by.
        size: how many different taxa there are, by codes or by path.
        words: (P,) the name alone.
    """

    name: str
    codes: Ints
    paths: Ints
    size: int
    words: Sequence[str | None]


@dataclass(frozen=True)
class Asked:
    """The queries of both pools, seen ones first.

    Attributes:
        parts: the selection of each pool.
        rows: (N,) their manifest rows.
        unseen: (N,) the pool of each.
        novel: (N,) whether no key specimen has the query's content.
        taxa: ranks from the top down.
        seen_key: (P,) whether a manifest row lies in the key split of trained species.
    """

    parts: tuple[Selection, Selection]
    rows: Ints
    unseen: NDArray[np.bool_]
    novel: NDArray[np.bool_]
    taxa: tuple[Taxon, ...]
    seen_key: NDArray[np.bool_]

    @property
    def groups(self) -> tuple[str, ...]:
        """(N,) group of each query."""
        return (*self.parts[0].groups, *self.parts[1].groups)


@dataclass(frozen=True)
class Keys:
    """One kind of keys, with the queries as they are compared with it.

    Attributes:
        name: "dna", "average", ...
        query: (N, E) vectors.
        vectors: (M, E) vectors.
        rows: (M,) manifest row of each key.
    """

    name: str
    query: Floats
    vectors: Floats
    rows: Ints


def queries(space: Space, options: TaxonomicOptions) -> Asked:
    """Return the queries of both pools with their lineages.

    Unseen queries of a species that has keys from training are left out and counted.

    Raises:
        Refusal: a modality or column is unknown, or the score is no cosine of vectors.
    """
    if trained_score(space, options.score) is not None:
        raise Refusal(
            "E-CFG-023", file="pipeline", field="evaluate: taxonomic", found=f"score {space.score}",
            expected="cosine; ask retrieval with relation same_taxon of a model of another score",
        )  # fmt: skip
    joint = with_joint(space, options.query)
    taxa = _taxa(space.rows, options)
    seen_key = np.array([split == options.key_seen for split in space.rows.splits], dtype=bool)
    known = set(taxa[-1].paths[seen_key].tolist()) - {-1}
    seen = select(joint, options.query, options.seen)
    unseen = select(
        joint, options.query, options.unseen,
        why_not=lambda row: TRAINED if int(taxa[-1].paths[row]) in known else None,
    )  # fmt: skip
    rows = np.concatenate([seen.rows, unseen.rows])
    late = np.arange(len(rows)) >= len(seen)
    return Asked((seen, unseen), rows, late, _novel(joint, options, (seen, unseen)), taxa, seen_key)


def key_sets(space: Space, options: TaxonomicOptions, asked: Asked) -> Iterator[Keys]:
    """Yield the keys of every kind asked for, in the order of the options."""
    joint = with_joint(space, options.query)
    for name in options.keys:
        if name == "concat":
            yield _concatenated(joint, options, asked)
        elif name == "all":
            parts = [_plain(joint, options, asked, name=part) for part in options.modalities]
            rows, vectors = [p.rows for p in parts], [p.vectors for p in parts]
            yield Keys(name, parts[0].query, np.concatenate(vectors), np.concatenate(rows))
        elif name == "average":
            several = JOINT.join(options.modalities)
            merged = space if several in joint.vectors else with_joint(space, several)
            every = replace(joint, vectors={**merged.vectors, **joint.vectors})
            yield replace(_plain(every, options, asked, name=several), name=name)
        else:
            yield _plain(joint, options, asked, name=name)


def one_per_species(keys: Keys, species: Taxon, ids: Sequence[str], *, seed: int) -> Keys:
    """Return the keys of one drawn specimen per species; unnamed keys are dropped.

    Args:
        keys: all keys.
        species: the last rank.
        ids: (P,) ids of the manifest rows.
        seed: the run's seed; a species' draw depends on it and on its own rows alone.
    """
    of: dict[int, list[int]] = {}
    for row in dict.fromkeys(keys.rows.tolist()):
        of.setdefault(int(species.paths[row]), []).append(row)
    chosen = []
    for code, rows in of.items():
        if code >= 0:
            mine = sorted(rows, key=lambda row: ids[row])
            chosen.append(mine[int(keyed_rng(seed, "one key", ids[mine[0]]).integers(len(mine)))])
    kept = np.isin(keys.rows, np.array(chosen, dtype=np.int64))
    return replace(keys, vectors=keys.vectors[kept], rows=keys.rows[kept])


def _taxa(rows: Rows, options: TaxonomicOptions) -> tuple[Taxon, ...]:
    """Number the taxa of every rank."""
    found = []
    for depth, name in enumerate(options.ranks, 1):
        words = column(rows, name)
        paths, size = _numbered(row_keys(rows, "same_taxon", options.ranks[:depth]))
        codes = paths
        if options.by == "name":
            codes, size = _numbered([() if word is None else (word,) for word in words])
        found.append(Taxon(name, codes, paths, max(size, int(paths.max(initial=-1)) + 1), words))
    return tuple(found)


def _numbered(keys: Sequence[tuple[object, ...]]) -> tuple[Ints, int]:
    """Return the number of every key, -1 for an empty one, and how many there are."""
    number = {key: i for i, key in enumerate(sorted(set(keys) - {()}, key=str))}
    return np.array([number.get(key, -1) for key in keys], dtype=np.int64), len(number)


def _novel(
    space: Space, options: TaxonomicOptions, parts: tuple[Selection, Selection]
) -> NDArray[np.bool_]:
    """Return (N,) whether no specimen of the key splits has the query's content."""
    vectors = space.vectors[options.query]
    if vectors.digests is None:
        return np.ones(sum(map(len, parts)), dtype=bool)
    known = {
        vectors.digests[item]
        for split in (options.key_seen, options.key_unseen)
        for item in select(space, options.query, split).items
    }
    return np.array([vectors.digests[i] not in known for part in parts for i in part.items])


def _plain(space: Space, options: TaxonomicOptions, asked: Asked, *, name: str) -> Keys:
    """Return the items of one modality as keys."""
    parts = [select(space, name, split) for split in (options.key_seen, options.key_unseen)]
    items = np.concatenate([part.items for part in parts])
    rows = np.concatenate([part.rows for part in parts])
    return Keys(name, _asking(space, options, asked), space.vectors[name].values[items], rows)


def _asking(space: Space, options: TaxonomicOptions, asked: Asked) -> Floats:
    """Return (N, E) vectors of the queries."""
    items = np.concatenate([part.items for part in asked.parts])
    found: Floats = space.vectors[options.query].values[items]
    return found


def _concatenated(space: Space, options: TaxonomicOptions, asked: Asked) -> Keys:
    """Return keys whose modalities stand side by side; an absent one is zero.

    A query of one modality stands at every place; one of several stands with each part at its own.
    """
    rows = np.unique(np.concatenate([
        select(space, name, split).rows for name in options.modalities
        for split in (options.key_seen, options.key_unseen)
    ]))  # fmt: skip
    rows = rows[np.argsort([space.rows.ids[row] for row in rows], kind="stable")]
    own = part_names(space, options.query)
    plain = _asking(space, options, asked)
    sides = []
    for name in options.modalities:
        left = _at(space, name, asked.rows) if name in own and len(own) > 1 else plain
        sides.append((left, _at(space, name, rows)))
    left, right = (np.concatenate(side, axis=1) for side in zip(*sides, strict=True))
    return Keys("concat", unit(left).astype(np.float32), unit(right).astype(np.float32), rows)


def _at(space: Space, name: str, rows: Ints) -> Floats:
    """Return (n, E) vectors of some manifest rows, zero where absent."""
    vectors = space.vectors[name]
    place = {row_id: i for i, row_id in enumerate(vectors.ids)}
    at = np.array([place.get(space.rows.ids[row], -1) for row in rows], dtype=np.int64)
    found = np.zeros((len(at), vectors.values.shape[1]), dtype=np.float32)
    found[at >= 0] = vectors.values[at[at >= 0]]
    return found
