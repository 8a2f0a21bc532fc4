"""Relations: what makes a gallery entry right for a query, as keys that both must share."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eval.labels import parts
from eval.selection import column
from eval.space import Rows

Relation = Literal["pair", "same_group", "same_text", "same_label", "same_taxon"]
Match = Literal["any", "all"]
Keys = Sequence[tuple[Hashable, ...]]
Ints = NDArray[np.int64]


def row_keys(
    rows: Rows, relation: Relation, columns: Sequence[str], *, match: Match = "any"
) -> Keys:
    """Return the keys of every manifest row; two rows are related when they share one.

    Args:
        rows: the manifest.
        relation: see `Relation`.
        columns: the text or label column, or the ranks from the top down for `same_taxon`.
        match: for label sets, whether one shared label suffices or all must be equal.

    Raises:
        Refusal: a column is not in the manifest.
    """
    if relation == "pair":
        return [(row_id,) for row_id in rows.ids]
    if relation == "same_group":
        return [(group,) for group in rows.groups]
    if relation == "same_text":
        texts = column(rows, columns[0])
        return [() if text is None else (normalise(text),) for text in texts]
    if relation == "same_label":
        sets = [parts(cell) for cell in column(rows, columns[0])]
        return sets if match == "any" else [(tuple(sorted(s)),) if s else () for s in sets]
    ranks = [column(rows, name) for name in columns]
    return [() if None in path else (path,) for path in zip(*ranks, strict=True)]


def normalise(text: str) -> str:
    """Return text in the form in which equal reports are equal.

    >>> normalise("No  Finding. ")
    'no finding.'
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


class KeyIndex:
    """Finds the gallery entries that share a key with a query.

    Args:
        entries: the keys of each entry, the union over its members.
    """

    def __init__(self, entries: Keys) -> None:
        found: dict[Hashable, list[int]] = defaultdict(list)
        for number, keys in enumerate(entries):
            for key in dict.fromkeys(keys):
                found[key].append(number)
        self._entries = {key: np.array(numbers, dtype=np.int64) for key, numbers in found.items()}
        self._unions: dict[tuple[Hashable, ...], Ints] = {}

    def find(self, keys: tuple[Hashable, ...]) -> Ints:
        """Return the sorted numbers of the entries that share a key."""
        if keys not in self._unions:
            lists = [self._entries[key] for key in keys if key in self._entries]
            self._unions[keys] = (
                lists[0] if len(lists) == 1
                else np.unique(np.concatenate(lists)) if lists else np.zeros(0, dtype=np.int64)
            )  # fmt: skip
        return self._unions[keys]
