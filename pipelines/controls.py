"""The models every number is printed beside: random frozen encoders, and towers before alignment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from eval.space import Floats
from pipelines.align import Alignment, Pairing
from pipelines.batch import Rows, Shelf
from pipelines.embed import Model, embed_shelf
from pipelines.fit import FitFolder, fit
from pipelines.objectives.objective import Objective
from pipelines.plan import Plan
from pipelines.towers import Tower, build_tower
from workbench.encoder import Features
from workbench.modality import Batch
from workbench.seeding import derive_seed


def unaligned(plan: Plan, bases: Mapping[str, Mapping[str, Tensor]], score: str) -> Model:
    """Return the towers before alignment, each with a random orthogonal projection."""
    seed, towers = plan.pipeline.seed, {}
    for key, part in plan.parts.items():
        tower = build_tower(
            part, plan.pipeline.align.dim, seed=seed, base=bases.get(key), adapt="frozen"
        )
        torch.manual_seed(derive_seed(seed, "projection", key) % 2**63)
        nn.init.orthogonal_(tower.head[1].weight)  # type: ignore[arg-type]
        towers[key] = tower.eval()
    return Model("control:unaligned", towers, score)


def random_frozen(
    plan: Plan, number: int, objective: Objective, pairing: Pairing, folder: FitFolder
) -> Model:
    """Return random encoders that never train, with projections trained as the model's were.

    The encoders are the pipeline's own architectures under another seed. Their features do not
    change, so they are computed once.
    """
    config, seed = plan.pipeline.align, derive_seed(plan.pipeline.seed, "random_frozen", number)
    towers = {
        key: build_tower(part, config.dim, seed=seed, adapt="frozen").eval()
        for key, part in plan.parts.items()
    }
    shelves, heads = {}, {}
    for key, shelf in pairing.shelves.items():
        found = embed_shelf(towers[key], shelf, pairing.manifest)
        at = {i: n for n, i in enumerate(found.ids)}
        order = [at[pairing.manifest.ids[int(r)]] for r in shelf.decoded.rows]
        features = found.features if found.features is not None else found.values
        shelves[key] = FeatureShelf(shelf.part, shelf.decoded, shelf.place, features[order])
        heads[key] = _HeadOnly(towers[key])
    lesson = Alignment(heads, objective, replace(pairing, shelves=shelves), config)
    fit(lesson, config.model_copy(update={"precision": "fp32"}), folder, config.patience)
    name = "control:random_frozen" if number == 0 else f"control:random_frozen-{number + 1}"
    return Model(name, towers, plan_score(plan))


def plan_score(plan: Plan) -> str:
    """Return the registry name of the score that the objective trains with."""
    return str(getattr(plan.objective_options, "score", "cosine"))


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
