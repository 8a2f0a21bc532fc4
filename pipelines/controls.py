"""The models every number is printed beside: random frozen encoders, and towers before alignment."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pipelines.align import Pairing
from pipelines.embed import Model
from pipelines.fit import FitFolder
from pipelines.frozen import fit_heads
from pipelines.objectives.objective import Objective
from pipelines.plan import Plan
from pipelines.towers import build_tower
from workbench.seeding import derive_seed


def unaligned(plan: Plan, bases: Mapping[str, Mapping[str, Tensor]], pairing: Pairing) -> Model:
    """Return the towers before alignment, each with a random orthogonal projection."""
    seed, towers = plan.pipeline.seed, {}
    for key, part in plan.parts.items():
        tower = build_tower(
            part, plan.pipeline.align.dim, seed=seed, base=bases.get(key), adapt="frozen",
            samples=pairing.samples(key),
        )  # fmt: skip
        torch.manual_seed(derive_seed(seed, "projection", key) % 2**63)
        nn.init.orthogonal_(tower.head.linear.weight)
        towers[key] = tower.eval()
    return Model("control:unaligned", towers, plan_score(plan))


def random_frozen(
    plan: Plan, number: int, objective: Objective, pairing: Pairing, folder: FitFolder
) -> Model:
    """Return random encoders that never train, with projections trained as the model's were.

    The encoders are the pipeline's own architectures under another seed. Their features do not
    change, so they are computed once.
    """
    config, seed = plan.pipeline.align, derive_seed(plan.pipeline.seed, "random_frozen", number)
    towers = {
        key: build_tower(
            part, config.dim, seed=seed, adapt="frozen", samples=pairing.samples(key)
        ).eval()
        for key, part in plan.parts.items()
    }
    fit_heads(towers, objective, pairing, config, folder)
    name = "control:random_frozen" if number == 0 else f"control:random_frozen-{number + 1}"
    return Model(name, towers, plan_score(plan))


def plan_score(plan: Plan) -> str:
    """Return the registry name of the score that the objective trains with."""
    return str(getattr(plan.objective_options, "score", "cosine"))
