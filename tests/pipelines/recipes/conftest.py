"""Runs a shipped recipe at the smallest size, so that a test sees every stage in seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines.plan import make_plan
from pipelines.run import run_plan

QUICK = ("align.epochs=1", "align.batch_size=16", "replicates=50")


@pytest.fixture
def run_recipe(tmp_path: Path) -> Callable[..., Path]:
    """Return a function (recipe, data folder, overrides, limit) -> folder of the finished run."""

    def run(name: str, root: Path, sets: Sequence[str] = (), limit: int | None = None) -> Path:
        plan = make_plan(name, [f"manifest.root={root}", *QUICK, *sets])
        return run_plan(plan, tmp_path / "run", limit=limit).path

    return run


@pytest.fixture
def trained() -> Callable[[Path], list[Mapping[str, Any]]]:
    """Return a function from a run to the trained model's metric rows that hold a value."""

    def rows(run: Path) -> list[Mapping[str, Any]]:
        found = json.loads((run / "metrics.json").read_text())
        return [r for r in found if r["model"] == "trained" and r["value"] is not None]

    return rows
