"""Evaluates finished runs again from their stored vectors, one at a time, none losing another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.api import plan_of
from pipelines.plan import Plan, make_plan
from pipelines.progress import Lines
from pipelines.run import Stages
from workbench.errors import Failure, WorkbenchError
from workbench.record import RunFolder


def evaluate_runs(
    paths: Sequence[Path], pipeline: Path | None
) -> tuple[list[Path], dict[Path, str]]:
    """Evaluate runs; a run that fails never costs another.

    Args:
        paths: folders of finished runs.
        pipeline: a file whose `evaluate:` replaces the runs' own.

    Returns:
        The folders done, and for the others the reason.
    """
    done: list[Path] = []
    failed: dict[Path, str] = {}
    for path in paths:
        try:
            _evaluate(path, None if pipeline is None else make_plan(pipeline))
            done.append(path)
        except WorkbenchError as error:
            failed[path] = str(error)
    return done, failed


def _evaluate(path: Path, other: Plan | None) -> None:
    import json

    plan = plan_of(path)
    if other is not None:
        config = plan.pipeline.model_copy(update={"evaluate": other.pipeline.evaluate})
        plan = replace(plan, pipeline=config, tasks=other.tasks, base=other.base)
    folder = RunFolder(path)
    if not (path / "embeddings" / "trained" / "stage.json").is_file():
        raise Failure(f"{path}: no embeddings/trained; finish the run first")
    limit = json.loads((path / "pipeline.json").read_text())["limit"]
    with folder.locked():
        run = Stages(plan, folder, limit, Lines())
        if run.is_decoded():
            run.audit()
        run.evaluate()
        run.report()
