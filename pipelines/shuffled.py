"""The control that is trained on pairs that do not belong together: what it still finds is a leak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from pipelines.align import demand_of
from pipelines.batch import Rows, Shelf
from pipelines.controls import objective_scorer, plan_score
from pipelines.embed import Model
from pipelines.encode import Crew
from pipelines.fit import FitFolder
from pipelines.frozen import fit_heads
from pipelines.multistage import Start, align_stages
from pipelines.plan import Plan
from pipelines.processes import Processes
from pipelines.stacked import stacked
from pipelines.towers import Tower
from pipelines.training import Bases, build_crew, build_objective, make_pairing
from workbench.manifest import Manifest
from workbench.seeding import derive_seed

NAME = "shuffled_pairs"
SPLITS = ("train", "val")


def shuffled_shelves(
    shelves: Mapping[str, Shelf], manifest: Manifest, seed: int
) -> dict[str, Shelf]:
    """Return shelves on which rows of training and validation hold another group's samples.

    The first modality stays; every other is dealt out anew among the rows that hold it, so that
    presence, samples and steps are those of the model.
    """
    keys = list(shelves)
    return {
        key: one if key == keys[0] else _dealt(one, manifest, seed, key)
        for key, one in shelves.items()
    }


def shuffled_pairs(
    plan: Plan, trained: Crew, bases: Bases, manifest: Manifest,
    folder: Callable[[str], FitFolder],
) -> Model:  # fmt: skip
    """Train the plan's model, or its projections alone, on shuffled pairs.

    `controls.shuffled_pairs: full` repeats the whole alignment, step for step; `heads` trains
    projections on frozen encoders as the random control does, which costs a small part of it.

    Args:
        plan: the pipeline.
        trained: the model's rows and samples; its towers are not used.
        bases: encoders after pretraining.
        manifest: the rows.
        folder: the place of a stage's checkpoints by name.
    """
    shelves = shuffled_shelves(trained.pairing.shelves, manifest, plan.pipeline.seed)
    objective = build_objective(plan, shelves)
    start = Start(make_pairing(plan, shelves, manifest, objective), bases, Processes.alone())
    if plan.pipeline.controls.shuffled_pairs == "full":
        made = list(align_stages(plan, start, shelves, lambda name: folder(f"{NAME} {name}")))
        crew, objective = made[-1]
        towers: Mapping[str, Tower] = crew.towers
        if len(made) > 1:
            towers = stacked([part.towers for part, _ in made])
    else:
        crew = build_crew(plan, start.pairing, bases, start.processes)
        demand = demand_of(plan.objective, plan.objective_options)
        fit_heads(crew, objective, plan.pipeline.align, demand, folder(NAME))
        towers = crew.towers
    scorer = objective_scorer(plan, objective)
    return Model(f"control:{NAME}", towers, plan_score(plan), crew.fusions, scorer)


def _dealt(one: Shelf, manifest: Manifest, seed: int, key: str) -> Shelf:
    """Return a shelf whose rows, split by split, hold the sample of a row of another group.

    Rows are ordered by group and shifted by the size of the largest group, which leaves nobody its
    own group's sample as long as no group holds more than half of them.
    """
    place = one.place.copy()
    for split in SPLITS:
        rows = _ordered(one, manifest, split, lambda g: derive_seed(seed, NAME, key, g))
        if len(rows) == 0:
            continue
        largest = max(Counter(manifest.groups[int(r)] for r in rows).values())
        place[rows] = one.place[np.roll(rows, largest)]
    return replace(one, place=place)


def _ordered(one: Shelf, manifest: Manifest, split: str, order: Callable[[str], int]) -> Rows:
    """Return the rows of a split that hold a sample, those of a group together."""
    rows = [
        row for row, name in enumerate(manifest.splits) if name == split and one.place[row] >= 0
    ]
    key = {group: order(group) for group in {manifest.groups[row] for row in rows}}
    rows.sort(key=lambda row: (key[manifest.groups[row]], manifest.ids[row]))
    return np.array(rows, dtype=np.int64)
