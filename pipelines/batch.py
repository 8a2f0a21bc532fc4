"""Which rows meet in a batch, as a function of seed, epoch and step, with nothing to carry over.

Legend: B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines.decode import Decoded
from pipelines.objectives.objective import Items
from pipelines.plan import Part
from workbench.manifest import Cell, Manifest
from workbench.modality import Batch, Sample
from workbench.seeding import derive_seed, keyed_rng

Rows = NDArray[np.int64]

CALIBRATION_ROWS = 4096
"""Most training samples that an encoder's constants are taken from."""
CALIBRATION_BATCH = 64


def epoch_batches(ids: Sequence[str], *, seed: int, epoch: int, size: int) -> list[Rows]:
    """Return positions into `ids`, shuffled and cut into batches; a last one of 1 is left out.

    Every id's place comes from its own key, so leaving one id out moves no other.
    """
    keys = np.array([derive_seed(seed, "order", epoch, i) for i in ids], dtype=np.uint64)
    order = np.argsort(keys, kind="stable").astype(np.int64)
    batches = [order[i : i + size] for i in range(0, len(order), size)]
    return batches if len(batches) < 2 or len(batches[-1]) > 1 else batches[:-1]


@dataclass(frozen=True)
class Shelf:
    """The decoded samples of one modality, found by manifest row.

    Attributes:
        part: the modality in this pipeline.
        decoded: its samples.
        place: position in `decoded` of every manifest row, -1 where absent or quarantined.
    """

    part: Part
    decoded: Decoded
    place: NDArray[np.int64]

    def has(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which rows hold a sample."""
        return self.place[rows] >= 0

    def sample(self, row: int) -> Sample:
        """Return the sample of a manifest row."""
        return self.decoded.sample(int(self.place[row]))

    def batch(self, rows: Rows) -> Batch:
        """Return rows that all hold a sample, unaugmented."""
        samples = [self.sample(int(r)) for r in rows]
        return self.part.modality.collate(samples, self.part.options)

    def view(self, rows: Rows, ids: Sequence[str], *, seed: int, epoch: int) -> Batch:
        """Return training views of rows that all hold a sample, each drawn from its own key."""
        if not self.part.config.augment:
            return self.batch(rows)
        modality, options, views = self.part.modality, self.part.options, []
        for row in rows:
            rng = keyed_rng(seed, "augment", self.part.key, epoch, ids[int(row)])
            views.append(modality.augment(self.sample(int(row)), rng, options))
        return modality.collate(views, options)


def shelf(part: Part, decoded: Decoded, count: int) -> Shelf:
    """Index decoded samples by manifest row; `count` is the number of rows."""
    place = np.full(count, -1, dtype=np.int64)
    place[decoded.rows] = np.arange(len(decoded.rows))
    return Shelf(part, decoded, place)


def calibration_batches(one: Shelf, manifest: Manifest, *, seed: int) -> Iterator[Batch]:
    """Yield training samples of one modality, unaugmented, for `Encoder.calibrate`.

    At most 4,096 of them, drawn by a seeded hash of the id, so that the order of the manifest and
    the rows of other splits change nothing.
    """
    train = [int(r) for r in one.decoded.rows if manifest.splits[int(r)] == "train"]
    key = {row: derive_seed(seed, "calibrate", one.part.key, manifest.ids[row]) for row in train}
    drawn = np.array(sorted(train, key=key.__getitem__)[:CALIBRATION_ROWS], dtype=np.int64)
    for start in range(0, len(drawn), CALIBRATION_BATCH):
        yield one.batch(drawn[start : start + CALIBRATION_BATCH])


@dataclass(frozen=True)
class ItemTable:
    """What the objective may know of the rows, coded once for the whole manifest."""

    group: Tensor
    content: Mapping[str, Tensor]
    label: Tensor | None
    ranks: Tensor | None

    def items(self, rows: Rows) -> Items:
        """Return the coded facts of a batch of manifest rows."""
        at = torch.from_numpy(rows)
        content = {k: v[at] for k, v in self.content.items()}
        label = None if self.label is None else self.label[at]
        ranks = None if self.ranks is None else self.ranks[at]
        return Items(at, self.group[at], content, label, ranks)


def item_table(
    manifest: Manifest, shelves: Mapping[str, Shelf], columns: Sequence[str]
) -> ItemTable:
    """Code groups, contents and the label columns an objective asked for.

    One column gives multi-hot labels ("a|b" holds two); several give the ranks of a path.
    """
    content = {}
    for key, one in shelves.items():
        codes = np.full(len(manifest), -1, dtype=np.int64)
        codes[one.decoded.rows] = _codes(one.decoded.digests)
        content[key] = torch.from_numpy(codes)
    group = torch.from_numpy(_codes(manifest.groups))
    label = _multi_hot(manifest.column(columns[0])) if len(columns) == 1 else None
    ranks = _paths([manifest.column(c) for c in columns]) if len(columns) > 1 else None
    return ItemTable(group, content, label, ranks)


def _codes(values: Sequence[str]) -> NDArray[np.int64]:
    """Number distinct values in sorted order."""
    number = {v: i for i, v in enumerate(sorted(set(values)))}
    return np.array([number[v] for v in values], dtype=np.int64)


def _multi_hot(cells: Sequence[Cell]) -> Tensor:
    sets = [set(c.split("|")) if c else set() for c in cells]
    names = {n: i for i, n in enumerate(sorted(set().union(*sets)))}
    hot = torch.zeros(len(cells), len(names), dtype=torch.bool)
    for i, labels in enumerate(sets):
        for name in labels:
            hot[i, names[name]] = True
    return hot


def _paths(columns: Sequence[Sequence[Cell]]) -> Tensor:
    """Number the path down to each rank; -1 from the first rank that is unnamed."""
    codes = torch.full((len(columns[0]), len(columns)), -1, dtype=torch.int64)
    for depth in range(len(columns)):
        number: dict[tuple[Cell, ...], int] = {}
        for i, path in enumerate(zip(*columns[: depth + 1], strict=True)):
            if all(path):
                codes[i, depth] = number.setdefault(path, len(number))
    return codes
