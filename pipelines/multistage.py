"""Alignment in stages: each learns to tell apart what the stages before it put together.

A contrastive objective is content with whatever feature tells two samples apart, an easy one above
all, and leaves the others unlearnt. So each stage starts anew and finds its negatives inside one
cluster of what the stages before have learnt, where the easy features are alike and of no help; an
item's vectors of all stages are joined (MCL, "Learning the Unlearned: Mitigating Feature
Suppression in Contrastive Learning"). A cluster is what *every* earlier stage calls alike: the
cluster numbers of all of them, not of the last one alone.

Legend: N training rows, E shared width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.batch import Shelf
from pipelines.embed import embed_shelf
from pipelines.encode import Crew
from pipelines.fit import FitFolder
from pipelines.objectives.objective import Objective
from pipelines.pairing import Pairing
from pipelines.plan import Plan
from pipelines.processes import Processes
from pipelines.training import Bases, align, build_crew, build_objective
from workbench.seeding import derive_seed

RESTARTS = 4


@dataclass(frozen=True)
class Start:
    """What every stage starts from.

    Attributes:
        pairing: rows and samples.
        bases: encoder weights after masked pretraining.
        processes: who trains together.
    """

    pairing: Pairing
    bases: Bases
    processes: Processes


def align_stages(
    plan: Plan, start: Start, shelves: Mapping[str, Shelf], folder: Callable[[str], FitFolder]
) -> Iterator[tuple[Crew, Objective]]:
    """Train as many stages as the plan has, one where it names none.

    Args:
        plan: the pipeline.
        start: what each stage starts from.
        shelves: samples by modality.
        folder: gives the place of a stage's checkpoints by its name, "heads" or "align 2".

    Yields:
        A trained crew with its objective, stage by stage.
    """
    clusters: Sequence[str | None] | None = None
    count = plan.pipeline.align.stages
    for number in range(1, count + 1):
        objective = build_objective(plan, shelves)
        pairing = replace(start.pairing, clusters=clusters)
        crew = build_crew(plan, pairing, start.bases, start.processes)
        suffix = "" if number == 1 else f" {number}"
        align(plan, crew, objective, {k: folder(k + suffix) for k in ("heads", "align")})
        yield crew, objective
        if number < count:
            clusters = refined(clusters, crew, plan.pipeline.align.batches.clusters, number)


def refined(
    before: Sequence[str | None] | None, crew: Crew, clusters: int, number: int
) -> list[str | None]:
    """Return each row's cluster, those of earlier stages in front; None outside training.

    A row is placed by the mean of the vectors that it holds. The first process decides: the last
    bits of a sum, which may differ between devices, can move a row.

    Args:
        before: clusters by row of the stages before.
        crew: towers of the stage just trained.
        clusters: k of k-means, at most one for two rows.
        number: which stage that was.
    """
    found = crew.processes.from_first("clusters", lambda: _refined(before, crew, clusters, number))
    return list(found)


def _refined(
    before: Sequence[str | None] | None, crew: Crew, clusters: int, number: int
) -> list[str | None]:
    from sklearn.cluster import KMeans

    pairing = crew.pairing
    rows = pairing.usable("train")
    vectors = _means(crew)[rows]
    seed = derive_seed(pairing.seed, "clusters", number) % 2**32
    k = max(1, min(clusters, len(rows) // 2))
    found = KMeans(k, n_init=RESTARTS, random_state=seed).fit_predict(vectors)
    names: list[str | None] = [None] * len(pairing.manifest)
    for row, cluster in zip(rows, found, strict=True):
        earlier = None if before is None else before[int(row)]
        names[int(row)] = f"{cluster}" if earlier is None else f"{earlier}.{cluster}"
    return names


def _means(crew: Crew) -> NDArray[np.float64]:
    """Return the mean unit vector of every row's samples; zero for a row without any."""
    manifest = crew.pairing.manifest
    at = {row_id: row for row, row_id in enumerate(manifest.ids)}
    total: NDArray[np.float64] | None = None
    for key, tower in crew.towers.items():
        found = embed_shelf(tower, crew.pairing.shelves[key], manifest)
        if total is None:
            total = np.zeros((len(manifest), found.values.shape[1]))
        total[[at[row_id] for row_id in found.ids]] += found.values
    if total is None:
        return np.zeros((len(manifest), 1))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    unit: NDArray[np.float64] = total / np.maximum(length, np.finfo(float).tiny)
    return unit
