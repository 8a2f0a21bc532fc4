"""The gallery of a search: its entries, which copies were joined, and what each query must not see."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eval.relations import KeyIndex, Keys
from eval.selection import Selection
from eval.space import Floats, Rows, Vectors

Exclude = Literal["self", "group", "none"]
Merge = Literal["content", "none"]
Ints = NDArray[np.int64]

TRAINING = "train"


@dataclass(frozen=True)
class Gallery:
    """M entries, each an item of the gallery modality or several with equal content.

    Attributes:
        values: (M, E) vectors.
        members: the manifest rows of each entry.
        digests: content digest of each entry; None where not known.
        raw_size: items before copies were joined.
        rows: the manifest.
    """

    values: Floats
    members: tuple[tuple[int, ...], ...]
    digests: tuple[str | None, ...]
    raw_size: int
    rows: Rows

    def __len__(self) -> int:
        return len(self.members)

    def name(self, entry: int) -> str:
        """Return the id of an entry: the first of its members."""
        return self.rows.ids[self.members[entry][0]]

    def index(self, keys: Keys) -> KeyIndex:
        """Return the index of entries by the keys of their members' manifest rows."""
        return KeyIndex([tuple(k for row in rows for k in keys[row]) for rows in self.members])


def build(vectors: Vectors, selection: Selection, rows: Rows, *, merge: Merge) -> Gallery:
    """Return the gallery of the selected items, copies by content digest joined if asked."""
    joined: dict[Hashable, list[int]] = {}
    for place, item in enumerate(selection.items):
        digest = vectors.digests[item] if vectors.digests is not None else None
        key: Hashable = digest if merge == "content" and digest is not None else (place,)
        joined.setdefault(key, []).append(place)
    first = [places[0] for places in joined.values()]
    items = selection.items[first]
    digests = [None if vectors.digests is None else vectors.digests[item] for item in items]
    members = [tuple(int(selection.rows[p]) for p in places) for places in joined.values()]
    return Gallery(vectors.values[items], tuple(members), tuple(digests), len(selection), rows)


def excluded(gallery: Gallery, queries: Selection, rule: Exclude) -> list[Ints]:
    """Return for each query the entries that are neither hit nor distractor."""
    if rule == "none":
        return [np.zeros(0, dtype=np.int64)] * len(queries)
    names: Sequence[str] = gallery.rows.ids if rule == "self" else gallery.rows.groups
    index = gallery.index([(name,) for name in names])
    return [index.find((names[row],)) for row in queries.rows]


def also_in_gallery(gallery: Gallery, queries: Selection, vectors: Vectors) -> NDArray[np.bool_]:
    """Return (n,) whether a query's content lies in the gallery under another id."""
    if vectors.digests is None:
        return np.zeros(len(queries), dtype=bool)
    owners: dict[str, set[int]] = {}
    for digest, members in zip(gallery.digests, gallery.members, strict=True):
        if digest is not None:
            owners.setdefault(digest, set()).update(members)
    found = [
        bool(owners.get(vectors.digests[item], set()) - {int(row)})
        for item, row in zip(queries.items, queries.rows, strict=True)
    ]
    return np.array(found, dtype=bool)


def training_items(gallery: Gallery, vectors: Vectors) -> int:
    """Return how many entries are training items, by their rows or by a content that is equal."""
    rows = gallery.rows
    known: set[str] = set()
    if vectors.digests is not None:
        pairs = zip(vectors.ids, vectors.digests, strict=True)
        known = {digest for i, digest in pairs if rows.splits[rows.position[i]] == TRAINING}
    entries = zip(gallery.members, gallery.digests, strict=True)
    return sum(
        digest in known or any(rows.splits[row] == TRAINING for row in members)
        for members, digest in entries
    )
