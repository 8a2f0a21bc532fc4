"""Trains projections alone, on features computed once because their encoders stand still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from eval.space import Floats
from pipelines.align import Alignment, Pairing
from pipelines.batch import Rows, Shelf
from pipelines.embed import embed_shelf
from pipelines.fit import FitFolder, fit
from pipelines.objectives.objective import Objective
from pipelines.towers import Tower
from workbench.config import AlignConfig
from workbench.encoder import Features
from workbench.modality import Batch


def fit_heads(
    towers: Mapping[str, Tower], objective: Objective, pairing: Pairing, config: AlignConfig,
    folder: FitFolder,
) -> None:  # fmt: skip
    """Train the projections of towers in place, without training views.

    Args:
        towers: their encoders are read, never trained.
        objective: what to minimise.
        pairing: samples, rows and edges.
        config: epochs, batches and rates.
        folder: where checkpoints and log lines go.
    """
    shelves: dict[str, Shelf] = {}
    for key, shelf in pairing.shelves.items():
        found = embed_shelf(towers[key], shelf, pairing.manifest)
        at = {row_id: n for n, row_id in enumerate(found.ids)}
        order = [at[pairing.manifest.ids[int(r)]] for r in shelf.decoded.rows]
        features = found.values if found.features is None else found.features
        shelves[key] = FeatureShelf(shelf.part, shelf.decoded, shelf.place, features[order])
    heads = {key: _HeadOnly(tower) for key, tower in towers.items()}
    settings = config.model_copy(update={"precision": "fp32", "micro_batch": None})
    lesson = Alignment(heads, objective, replace(pairing, shelves=shelves), settings)
    fit(lesson, settings, folder, config.patience)


@dataclass(frozen=True)
class FeatureShelf(Shelf):
    """A shelf of encoder features instead of samples; (N, W) in the order of `decoded.rows`."""

    features: Floats

    def batch(self, rows: Rows) -> Batch:
        """Return the features of rows."""
        return Batch(torch.from_numpy(np.ascontiguousarray(self.features[self.place[rows]])))

    def view(self, rows: Rows, ids: object, *, seed: int, epoch: int) -> Batch:
        """Return the features of rows; they have no training views."""
        del ids, seed, epoch
        return self.batch(rows)


class _HeadOnly(Tower):
    """The projection of a tower, taking features as its input; shares the tower's parameters."""

    def __init__(self, tower: Tower) -> None:
        nn.Module.__init__(self)
        self.encoder = nn.Identity()
        self.head = tower.head

    def features(self, batch: Batch) -> Features:
        return Features(batch.values)
