"""A task asked of the trained model and of every control that stands beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from eval.blind import TASKS, TEXT_PRIOR, can_have_prior, constant, one_way, text_prior
from eval.sides import JOINT
from eval.space import Space
from eval.task import Context, Metric, Result, Task
from pipelines.plan import Plan, TaskPlan
from workbench.fuse_config import subset_name
from workbench.modality import Options

TRAINED = "trained"


def answers(
    plan: Plan, planned: TaskPlan, task: Task[Any], spaces: Sequence[Space], context: Context
) -> Iterator[tuple[str, Result]]:
    """Yield model and answer: the spaces as they are, then those made blind from the trained one.

    Blind spaces are asked only by tasks whose numbers have a chance, and a constant one needs no
    intervals: its values are exact.
    """
    for space in spaces:
        yield space.model, task.run(space, planned.options, context)
    controls = plan.pipeline.controls
    for space in spaces:
        if space.model != TRAINED or planned.task not in TASKS:
            continue
        if controls.constant:
            blind = constant(space, context.seed)
            found = task.run(blind, planned.options, replace(context, replicates=0))
            kept, whole = len(blind.rows.ids), len(space.rows.ids)
            yield (
                blind.model,
                found if kept == whole else _flagged(found, f"{kept} of {whole} rows"),
            )
        if controls.text_prior and can_have_prior(space, planned.options):
            yield TEXT_PRIOR, _prior(task, space, planned.options, context)


def unimodal_rows(
    plan: Plan, planned: TaskPlan, task: Task[Any], spaces: Sequence[Space], context: Context
) -> list[Metric]:
    """Return what a joined or fused query gains over its best single modality."""
    from eval.unimodal import unimodal

    if not plan.pipeline.controls.unimodal or planned.task not in TASKS:
        return []
    query = str(getattr(planned.options, "query", ""))
    fuse = plan.pipeline.align.fuse
    singles = {name: name for name in query.split(JOINT)}
    if query in fuse:
        singles = {name: subset_name(query, (name,)) for name in fuse[query].of}
    return [
        row
        for space in spaces
        if space.model == TRAINED
        and len(singles) > 1
        and set(singles.values()) <= set(space.vectors)
        for row in unimodal((planned.task, task), space, planned.options, context, singles=singles)
    ]


def _prior(task: Task[Any], space: Space, options: Options, context: Context) -> Result:
    """Ask with the mean of the queries, each direction by itself."""
    found = []
    for way in one_way(options):
        asks, split = str(getattr(way, "query", "")), str(getattr(way, "split", "test"))
        found.append(task.run(text_prior(space, asks, split), way, context))
    return _joined(found)


def _joined(results: Sequence[Result]) -> Result:
    """Return several answers as one, predictions sorted by id."""
    if len(results) == 1:
        return results[0]
    whole: dict[str, list[Any]] = {}
    for result in results:
        for name, values in result.predictions.items():
            whole.setdefault(name, []).extend(values)
    order = sorted(range(len(whole["id"])), key=lambda i: whole["id"][i])
    table = {name: [values[i] for i in order] for name, values in whole.items()}
    return Result([row for result in results for row in result.rows], table, results[0].extras)


def _flagged(result: Result, flag: str) -> Result:
    return replace(result, rows=[replace(row, flags=(*row.flags, flag)) for row in result.rows])
