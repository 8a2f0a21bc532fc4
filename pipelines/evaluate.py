"""Runs the evaluation tasks over the spaces of a run and writes their numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eval.space import Rows, Space
from eval.task import Context, Metric, Result, Task
from pipelines.beside import TRAINED, answers, unimodal_rows
from pipelines.plan import Plan, TaskPlan
from workbench import registry
from workbench.config import Pipeline
from workbench.errors import Failure
from workbench.fuse_config import subset_name
from workbench.modality import Options
from workbench.record import write_json

ABOUT = "workbench"
"""Where a predictions file says, in its Parquet metadata, which task and options made it."""


@dataclass(frozen=True)
class Stamp:
    """What identifies the run in every row."""

    config_digest: str
    data_digest: str
    seed: int


def prompt_texts(plan: Plan, rows: Rows) -> dict[str, list[str]]:
    """Return, by modality, every text that the tasks need a vector of."""
    wanted: dict[str, set[str]] = {}
    for planned in plan.tasks:
        task: Task[Any] = registry.load("tasks", planned.task)()
        for key, texts in task.texts(planned.options, rows, context(plan)).items():
            wanted.setdefault(key, set()).update(texts)
    return {key: sorted(texts) for key, texts in wanted.items()}


def context(plan: Plan) -> Context:
    """Return what every task is given beside its options."""
    return Context(plan.pipeline.seed, plan.base, plan.pipeline.replicates)


def evaluate(plan: Plan, spaces: Sequence[Space], folder: Path, stamp: Stamp) -> None:
    """Run every task on every space; write predictions, extras and metrics into `folder`.

    Raises:
        Failure: two rows have one key.
    """
    rows: list[Metric] = []
    extras: dict[str, Any] = {}
    for planned in plan.tasks:
        task: Task[Any] = registry.load("tasks", planned.task)()
        for model, result in answers(plan, planned, task, spaces, context(plan)):
            rows += [_stamped(row, stamp) for row in result.rows]
            name = planned.name
            if model != TRAINED:
                name += "--" + model.removeprefix("control:")
            else:
                extras[name] = dict(result.extras)
            about = {"entry": planned.name, "model": model, **_about(planned, result, stamp)}
            write_predictions(result, folder / f"{name}.parquet", about)
        more = unimodal_rows(plan, planned, task, spaces, context(plan))
        rows += [_stamped(row, stamp) for row in more]
        rows += [_stamped(row, stamp) for row in _subset_rows(plan, planned, spaces)]
    _refuse_duplicates(rows)
    write_json(folder / "metrics.json", [row.as_dict() for row in rows])
    (folder / "extras.json").write_text(json.dumps(extras, sort_keys=True, default=str))
    thresholds = {name: e["thresholds"] for name, e in extras.items() if "thresholds" in e}
    if thresholds:
        write_json(folder / "thresholds.json", thresholds)


def _subset_rows(plan: Plan, planned: TaskPlan, spaces: Sequence[Space]) -> list[Metric]:
    """Return the numbers of the trained model when a fused vector is made of fewer modalities.

    A task that names a fused vector is asked again for each of its subsets; its rows name the
    subset as query or gallery. Predictions and examples are those of the whole only.
    """
    found: list[Metric] = []
    task: Task[Any] = registry.load("tasks", planned.task)()
    for space in spaces:
        if space.model == "trained":
            for options in subset_options(plan.pipeline, planned.options):
                found += task.run(space, options, context(plan)).rows
    return found


def subset_options(pipeline: Pipeline, options: Options) -> list[Options]:
    """Return a task's options once for every subset of the fused vector that it names."""
    fuse = pipeline.align.fuse
    return [
        options.model_copy(update={field: subset_name(name, part)})
        for field in ("query", "gallery")
        if field in type(options).model_fields and (name := getattr(options, field, None)) in fuse
        for part in fuse[str(name)].parts()
    ]


def _stamped(row: Metric, stamp: Stamp) -> Metric:
    return replace(
        row, config_digest=stamp.config_digest, data_digest=stamp.data_digest, seed=stamp.seed
    )


def _about(planned: TaskPlan, result: Result, stamp: Stamp) -> dict[str, Any]:
    """Return what made a predictions table, so that numbers follow from the file alone."""
    return {
        "task": planned.task, "options": planned.options.model_dump(mode="json"),
        "classes": result.extras.get("classes"), "config_digest": stamp.config_digest,
        "data_digest": stamp.data_digest, "seed": stamp.seed,
    }  # fmt: skip


def write_predictions(result: Result, path: Path, about: Mapping[str, Any]) -> None:
    """Write predictions as Parquet, with what made them in its metadata."""
    import pyarrow as pa
    import pyarrow.parquet

    if result.predictions:
        columns: Mapping[str, Sequence[Any]] = result.predictions
        table = pa.table({k: list(v) for k, v in columns.items()})
        told = json.dumps(about, sort_keys=True, default=str).encode()
        table = table.replace_schema_metadata({ABOUT: told})
        pa.parquet.write_table(table, path, compression="zstd")


def _refuse_duplicates(rows: Sequence[Metric]) -> None:
    """A second row with the same key means that two numbers claim to be the same thing."""
    seen: set[tuple[Any, ...]] = set()
    for row in rows:
        key = (
            row.task, row.query, row.gallery, row.relation, row.label, row.metric, row.k, row.split,
            row.model, row.average, row.rank, row.pool, row.subgroup, row.score, row.prompts,
        )  # fmt: skip
        if key in seen:
            raise Failure(f"two metric rows have one key: {key}")
        seen.add(key)
