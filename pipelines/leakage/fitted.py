"""Where everything fitted was fitted: what came from the rows that are measured flatters."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.leakage.checks import Check
from pipelines.plan import Plan, TaskPlan

SPLITS = ("train_split", "val_split", "val_splits", "fit_split", "threshold_split")
"""Options that name the split something is fitted on or chosen by."""


def provenance(plan: Plan) -> dict[str, str]:
    """Return, for everything fitted, the split it comes from."""
    found = {"encoders, projections and fusions": "train", "epoch kept by patience": "val"}
    if plan.pipeline.align.patience is None:
        found["epoch kept by patience"] = "none: the last epoch is kept"
    for task in plan.tasks:
        for option, split in _fits(task):
            known = found.get(f"{task.name}: {option}")
            found[f"{task.name}: {option}"] = f"{known}, {split}" if known else split
    return found


def check_fitted(plan: Plan) -> list[Check]:
    """Return whether a task fits or chooses something on the split that it measures."""
    wrong = [
        f"{task.name}.{option}"
        for task in plan.tasks
        for option, split in _fits(task)
        if split == getattr(task.options, "split", None)
    ]
    name = "fit on the measured split"
    remark = ", ".join(wrong)
    field = f"evaluate: {wrong[0] if wrong else 'tasks'}"
    return [Check(name, field=field, code="E-CFG-024", verdict="refuse", found=len(wrong),
                  remark=remark, fix="Fit on train, choose on val.")]  # fmt: skip


def _fits(task: TaskPlan) -> Iterator[tuple[str, str]]:
    # what votes is what was fitted; what is searched is not
    for option in (*SPLITS, "gallery_split") if task.task == "knn" else SPLITS:
        given = getattr(task.options, option, None)
        splits = (given,) if isinstance(given, str) else given or ()
        yield from ((option, split) for split in splits)
