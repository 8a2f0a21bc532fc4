"""Class scores by examples: items of any modality and split stand for their classes.

Legend: n queries, m examples, C classes, E width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from eval.labels import Labels, fault, parts, truth_of
from eval.scores.cosine import DECIMALS, unit
from eval.selection import column, select
from eval.space import Floats, Space
from workbench.modality import Options
from workbench.seeding import keyed_rng

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Rule = Literal["mean_embedding", "mean_score", "max_score", "logsumexp", "knn"]

BLOCK = 256  # queries scored at a time


class ExampleAnchors(Options):
    """Whose items stand for the classes.

    Attributes:
        modality: of the examples, such as "dna".
        split: where they are taken from; written `from:`.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True,
        serialize_by_alias=True,
    )  # fmt: skip

    modality: str
    split: str = Field(alias="from")


@dataclass(frozen=True)
class Join:
    """How the scores of a class's examples become one.

    Attributes:
        rule: "knn" is the mean of the k largest cosines, or of all where there are fewer.
        tau: temperature of "logsumexp".
        k: neighbours of "knn"; 1 is the nearest example.
    """

    rule: Rule = "mean_embedding"
    tau: float = 1.0
    k: int = 1


@dataclass(frozen=True)
class Examples:
    """The examples of every class.

    Attributes:
        classes: C class ids.
        ids: m row ids.
        vectors: (m, E) vectors.
        members: by class, the numbers of its examples; several classes may share one.
        name: "dna from key_unseen".
    """

    classes: tuple[str, ...]
    ids: tuple[str, ...]
    vectors: Floats
    members: tuple[Ints, ...]
    name: str

    @property
    def label(self) -> str:
        """Name and digest, as prompt sets have them in the metric rows."""
        lines = [
            f"{name}:{','.join(self.ids[i] for i in mine)}"
            for name, mine in zip(self.classes, self.members, strict=True)
        ]
        digest = hashlib.sha256("\n".join([self.name, *lines]).encode()).hexdigest()
        return f"{self.name}@{digest[:12]}"

    @cached_property
    def _distinct(self) -> tuple[Reals, Ints]:
        """The different vectors, of length one, and which of them each example has."""
        rows, place = np.unique(self.vectors, axis=0, return_inverse=True)
        return unit(rows), np.asarray(place).reshape(-1)

    def scores(self, query: Floats, join: Join) -> Reals:
        """Return (n, C) class scores of (n, E) queries; equal vectors have exactly equal scores."""
        rows, row_of = np.unique(query, axis=0, return_inverse=True)
        if join.rule == "mean_embedding":
            wide = unit(self.vectors)
            means = [wide[mine].mean(axis=0) for mine in self.members]
            centres = np.stack(means).astype(np.float32) if means else np.zeros((0, query.shape[1]))
            anchors, place = np.unique(centres, axis=0, return_inverse=True)
            tables = _tables(rows, unit(anchors))
            found = [table[:, np.asarray(place).reshape(-1)] for table in tables]
        else:
            right, which = self._distinct
            places = [which[mine] for mine in self.members]
            found = [
                np.stack([_joined(table[:, at], join) for at in places], axis=1)
                for table in _tables(rows, right)
            ]
        whole = np.concatenate(found) if found else np.zeros((0, len(self.classes)))
        return np.asarray(whole[np.asarray(row_of).reshape(-1)])

    def half(self, *key: object) -> Examples:
        """Return the examples with half of every class drawn by the key, at least one of each."""
        members = []
        for name, mine in zip(self.classes, self.members, strict=True):
            count = (len(mine) + 1) // 2
            drawn = keyed_rng("examples", *key, name).choice(len(mine), count, replace=False)
            members.append(mine[np.sort(drawn)])
        return Examples(self.classes, self.ids, self.vectors, tuple(members), self.name)


def examples_of(
    space: Space, anchors: ExampleAnchors, label: str, *, labels: Labels = "single"
) -> Examples:
    """Return the examples of every class that the anchors' split shows.

    A row without label, or with several where one is asked for, is no example; an uncertain label
    ("?") is no example of its class.

    Raises:
        Refusal: the modality or the column is unknown.
    """
    cells = column(space.rows, label)
    every = {part.removesuffix("?").strip() for cell in cells for part in parts(cell)}
    chosen = select(
        space, anchors.modality, anchors.split, why_not=fault(cells, tuple(every), labels)
    )
    mine = [cells[row] for row in chosen.rows]
    shown = sorted({part for cell in mine for part in parts(cell) if not part.endswith("?")})
    table = truth_of(mine, shown, labels).table
    members = tuple(np.flatnonzero(table[:, number] == 1) for number in range(len(shown)))
    vectors = space.vectors[anchors.modality].values[chosen.items]
    name = f"{anchors.modality} from {anchors.split}"
    return Examples(tuple(shown), chosen.ids, vectors, members, name)


def _tables(rows: Floats, right: Reals) -> Iterator[Reals]:
    """Yield exact scores of a block of queries with every different example."""
    for start in range(0, len(rows), BLOCK):
        yield np.round(unit(rows[start : start + BLOCK]) @ right.T, DECIMALS)


def _joined(table: Reals, join: Join) -> Reals:
    """Reduce (n, examples of one class) to (n,)."""
    if join.rule == "max_score":
        return np.asarray(table.max(axis=1))
    if join.rule == "mean_score":
        return np.asarray(table.mean(axis=1))
    if join.rule == "knn":
        k = min(join.k, table.shape[1])
        best = np.sort(np.partition(table, -k, axis=1)[:, -k:], axis=1)
        return np.asarray(best.mean(axis=1))
    peak = table.max(axis=1, keepdims=True)
    mean = np.mean(np.exp((table - peak) / join.tau), axis=1)
    return np.asarray(peak[:, 0] + join.tau * np.log(mean))
