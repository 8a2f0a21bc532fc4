"""Trains projections alone, on features computed once because their encoders stand still."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from eval.space import Floats
from pipelines.align import Alignment, Demand
from pipelines.batch import Rows, Shelf
from pipelines.embed import embed_shelf
from pipelines.encode import Crew
from pipelines.fit import FitFolder, fit
from pipelines.objectives.objective import Objective
from pipelines.towers import Tower
from workbench.config import AlignConfig
from workbench.encoder import Features
from workbench.modality import Batch

NEED_ENCODERS = frozenset({"tokens", "recon", "contrary", "views"})
"""Needs that features computed once cannot serve."""


def fit_heads(
    crew: Crew, objective: Objective, config: AlignConfig, demand: Demand, folder: FitFolder
) -> None:
    """Train the projections of towers in place, without training views.

    An objective that compares pooled vectors only is given features computed once. One that reads
    tokens, hidden parts or contrary texts needs the encoders at every step; they are still not
    trained.

    Args:
        crew: its encoders are read, never trained.
        objective: what to minimise.
        config: epochs, batches and rates.
        demand: what the objective needs.
        folder: where checkpoints and log lines go.
    """
    for tower in crew.towers.values():
        tower.encoder.eval()
    if demand.needs & NEED_ENCODERS:
        return _fit_still(crew, objective, config, demand, folder)
    shelves = {key: _feature_shelf(crew, key) for key in crew.pairing.shelves}
    heads = {key: _HeadOnly(tower) for key, tower in crew.towers.items()}
    settings = config.model_copy(update={"precision": "fp32", "micro_batch": None})
    pairing = replace(crew.pairing, shelves=shelves)
    still = replace(crew, towers=heads, pairing=pairing, micro_batch=None, readers={})
    lesson = Alignment(still, objective, settings, demand)
    return fit(lesson, settings, folder, config.patience, crew.processes)


def _fit_still(
    crew: Crew, objective: Objective, config: AlignConfig, demand: Demand, folder: FitFolder
) -> None:
    """Train projections behind encoders that run at every step but stand still."""
    trained = [p for t in crew.towers.values() for p in t.encoder.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    still = {key: _StillTower(tower) for key, tower in crew.towers.items()}
    lesson = Alignment(replace(crew, towers=still), objective, config, demand)
    fit(lesson, config, folder, config.patience, crew.processes)
    for parameter in trained:
        parameter.requires_grad_(True)


def _feature_shelf(crew: Crew, key: str) -> FeatureShelf:
    """Return a modality's features, in the order of its decoded samples."""
    pairing = crew.pairing
    shelf = pairing.shelves[key]
    found = embed_shelf(crew.towers[key], shelf, pairing.manifest)
    at = {row_id: n for n, row_id in enumerate(found.ids)}
    order = [at[pairing.manifest.ids[int(r)]] for r in shelf.decoded.rows]
    features = found.values if found.features is None else found.features
    return FeatureShelf(shelf.part, shelf.decoded, shelf.place, features[order])


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


class _StillTower(Tower):
    """A tower whose projections learn while its encoder stands still; shares all parameters."""

    def __init__(self, tower: Tower) -> None:
        nn.Module.__init__(self)
        self.encoder, self.head, self.token_head = tower.encoder, tower.head, tower.token_head

    def train(self, mode: bool = True) -> _StillTower:
        super().train(mode)
        self.encoder.eval()
        return self


class _HeadOnly(Tower):
    """The projection of a tower, taking features as its input; shares the tower's parameters."""

    def __init__(self, tower: Tower) -> None:
        nn.Module.__init__(self)
        self.encoder = nn.Identity()
        self.head = tower.head
        self.token_head = None

    def features(self, batch: Batch) -> Features:
        return Features(batch.values)
