"""`workbench run --dry-run`: what would be done, how large it is, and nothing done."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from pipelines import rows
from pipelines.plan import Plan
from workbench.config import FitConfig


def describe_plan(plan: Plan, limit: int | None) -> str:
    """Return the plan in words: data, stages, steps and numbers to come. Imports no torch."""
    config = plan.pipeline
    lines = [f"{config.name} (seed {config.seed}, digest {plan.digest()[:8]})"]
    if config.manifest.synthetic is not None:
        lines.append(f"data: generated cohort {config.manifest.synthetic!r}, "
                     f"{config.manifest.subjects} subjects, written into the run's folder")  # fmt: skip
        train = None
    else:
        with tempfile.TemporaryDirectory() as folder:
            manifest = rows.manifest_of(plan, Path(folder), limit=limit)
        counts = rows.split_counts(plan, manifest)
        lines += [f"data: {split}: " + ", ".join(f"{k} {n}" for k, n in found.items())
                  for split, found in counts.items()]  # fmt: skip
        train = counts.get("train", {})
    for key, part in plan.parts.items():
        adapt = part.config.adapt
        name = adapt if isinstance(adapt, str) else next(iter(adapt.model_dump()))
        lines.append(f"modality {key}: {part.type}, {part.entry.name} from "
                     f"{part.weights.source}, {name}")  # fmt: skip
    for key, fit in config.pretrain.items():
        lines.append(f"pretrain {key}: {_steps(fit, None if train is None else train[key])}")
    edges = " ".join(e.name for e in plan.edges())
    count = None if train is None else train["rows"]
    lines.append(f"align {edges} by {plan.objective.name}: {_steps(config.align, count)}")
    models = 1 + config.controls.random_frozen + config.controls.unaligned
    models += config.controls.shuffled_pairs != "off"
    lines.append(f"embed and evaluate: {models} models x {len(plan.tasks)} tasks: "
                 + ", ".join(t.name for t in plan.tasks))  # fmt: skip
    return "\n".join(lines)


def _steps(fit: FitConfig, rows_: int | None) -> str:
    if rows_ is None:
        return f"{fit.epochs} epochs of batches of {fit.batch_size}"
    per_epoch = math.ceil(rows_ / fit.batch_size)
    return f"{fit.epochs} epochs x {per_epoch} steps of {fit.batch_size}"
