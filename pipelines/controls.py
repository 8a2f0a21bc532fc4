"""The models every number is printed beside: random frozen encoders, and towers before alignment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from eval.scores.base import Score
from eval.scores.scorer import Scorer, scorer_of
from pipelines.align import demand_of
from pipelines.embed import Model
from pipelines.encode import Crew
from pipelines.fit import FitFolder
from pipelines.frozen import fit_heads
from pipelines.fusion import build_fusions
from pipelines.objectives.entry import Edge
from pipelines.objectives.objective import Objective
from pipelines.pairing import Pairing
from pipelines.placement import placement, sent
from pipelines.plan import Plan
from pipelines.towers import Tower, build_tower
from workbench.errors import Failure
from workbench.seeding import derive_seed


def unaligned(
    plan: Plan, bases: Mapping[str, Mapping[str, Tensor]], pairing: Pairing,
    scorer: Scorer | None = None,
) -> Model:  # fmt: skip
    """Return the towers before alignment, each with a random orthogonal projection.

    They project no tokens: where the score compares tokens, an item's pooled vector is its one.

    Args:
        plan: the pipeline.
        bases: encoders after pretraining.
        pairing: samples by modality.
        scorer: the score of a fresh objective; None is plain cosine.
    """
    seed, towers = plan.pipeline.seed, {}
    for key, part in plan.parts.items():
        tower = build_tower(
            part, plan.pipeline.align.dim, seed=seed, base=bases.get(key), adapt="frozen",
            samples=pairing.samples(key),
        )  # fmt: skip
        torch.manual_seed(derive_seed(seed, "projection", key) % 2**63)
        nn.init.orthogonal_(tower.head.linear.weight)
        towers[key] = tower.eval()
    align, device = plan.pipeline.align, placement(plan.pipeline.device).device
    fusions = build_fusions(align.fuse, align.dim, seed=seed)
    return Model("control:unaligned", sent(towers, device), plan_score(plan), fusions, scorer)


def random_frozen(
    plan: Plan, number: int, objective: Objective, crew: Crew, folder: FitFolder
) -> Model:
    """Return random encoders that never train, with projections trained as the model's were.

    The encoders are the pipeline's own architectures under another seed.

    Args:
        plan: the pipeline.
        number: which of several, 0 first.
        objective: a fresh one.
        crew: rows, processes and fresh fusions; its towers are not used.
        folder: where checkpoints and log lines go.
    """
    config, seed = plan.pipeline.align, derive_seed(plan.pipeline.seed, "random_frozen", number)
    towers = {
        key: build_tower(
            part, config.dim, seed=seed, adapt="frozen", samples=crew.pairing.samples(key),
            token_width=_token_width(crew.towers[key]),
        ).eval()
        for key, part in plan.parts.items()
    }  # fmt: skip
    towers = sent(towers, crew.device)
    demand = demand_of(plan.objective, plan.objective_options)
    fit_heads(replace(crew, towers=towers, readers={}), objective, config, demand, folder)
    name = "control:random_frozen" if number == 0 else f"control:random_frozen-{number + 1}"
    return Model(name, towers, plan_score(plan), crew.fusions, objective_scorer(plan, objective))


def _token_width(tower: Tower) -> int | None:
    return None if tower.token_head is None else tower.token_head.in_features


def plan_score(plan: Plan) -> str:
    """Return the registry name of the score that the objective trains with."""
    return str(getattr(plan.objective_options, "score", "cosine"))


def objective_scorer(plan: Plan, objective: Objective) -> Scorer | None:
    """Return the score that evaluation ranks with, as trained so far; None is plain cosine.

    A weighted sum has it in one of its parts.

    Raises:
        Failure: no part of the objective holds that score.
    """
    name = plan_score(plan)
    if name == "cosine":
        return None
    for part in objective.modules():
        found = getattr(part, "score", None)
        if isinstance(found, Score) and found.name == name:
            edges: Sequence[Edge] = getattr(part, "edges", ())
            return scorer_of(found, [(edge.query, edge.candidates) for edge in edges])
    raise Failure(f"objective {plan.objective.name} holds no score {name}")
