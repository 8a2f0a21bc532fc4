"""What alignment is given beside towers and objective: samples, coded facts, edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from pipelines.batch import ItemTable, Rows, Shelf, calibration_batches
from pipelines.objectives.entry import Edge
from pipelines.rows import cells, source
from workbench.manifest import Manifest
from workbench.modality import Batch, Sample

Fused = Mapping[str, tuple[str, ...]]
"""Name of a fused vector to the modalities it is made of."""


@dataclass(frozen=True)
class Pairing:
    """Samples, rows and comparisons of one alignment.

    Attributes:
        shelves: decoded samples by modality.
        table: coded groups, contents and labels.
        manifest: the rows.
        edges: comparisons to align.
        seed: the run's seed.
        fused: vectors made of several modalities.
        clusters: by row of the manifest, where its negatives come from; see `multistage`.
    """

    shelves: Mapping[str, Shelf]
    table: ItemTable
    manifest: Manifest
    edges: Sequence[Edge]
    seed: int
    fused: Fused = field(default_factory=dict)
    clusters: Sequence[str | None] | None = None

    def usable(self, split: str) -> Rows:
        """Return the rows of a split that hold both sides of at least one edge."""
        rows = np.array([i for i, s in enumerate(self.manifest.splits) if s == split], np.int64)
        if len(rows) == 0:
            return rows
        keep = np.zeros(len(rows), dtype=bool)
        for edge in self.edges:
            candidates = [self.has(name, rows) for name in edge.candidates]
            keep |= self.has(edge.query, rows) & np.any(candidates, axis=0)
        return rows[keep]

    def has(self, name: str, rows: Rows) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return which rows hold a modality, or any modality of a fused vector."""
        found = [self.shelves[key].has(rows) for key in self.fused.get(name, (name,))]
        return np.asarray(np.any(found, axis=0))

    def read(self, key: str, row: int) -> Sample | None:
        """Read a row's sample from its file again, with the text that stored samples do not keep.

        Raises:
            BadInput: the file is no longer what it was.
        """
        part = self.shelves[key].part
        cell = self._cells[key][row]
        if cell is None:
            return None
        return part.modality.read(source(part, cell, self.manifest), part.options)

    @cached_property
    def _cells(self) -> Mapping[str, Sequence[str | None]]:
        return {key: cells(one.part, self.manifest) for key, one in self.shelves.items()}

    def samples(self, key: str) -> Iterator[Batch]:
        """Yield the training samples that the encoder of a modality calibrates itself on."""
        return calibration_batches(self.shelves[key], self.manifest, seed=self.seed)
