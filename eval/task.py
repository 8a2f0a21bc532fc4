"""The contract of an evaluation task: options in, metric rows and per-sample predictions out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

from eval.space import Rows, Space
from workbench.modality import Options

O = TypeVar("O", bound=Options)  # noqa: E741  the options model of one task


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number and what it means: one row of `metrics.json`.

    `value` None means not defined, and `reason` says why. Fractions, never percent. The columns
    before `value` and the optional ones from `average` to `prompts` are the key and are unique.
    """

    task: str
    query: str
    metric: str
    split: str
    model: str
    value: float | None
    gallery: str | None = None
    relation: str | None = None
    label: str | None = None
    k: int | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    n: int = 0
    n_groups: int = 0
    gallery_size: int | None = None
    chance: float | None = None
    config_digest: str = ""
    average: str | None = None
    rank: str | None = None
    pool: str | None = None
    subgroup: str | None = None
    score: str | None = None
    prompts: str | None = None
    seed: int | None = None
    ci_method: str | None = None
    n_replicates: int | None = None
    n_degenerate: int | None = None
    unit: str | None = None
    n_excluded: Mapping[str, int] = field(default_factory=dict)
    gallery_size_raw: int | None = None
    ties: int | None = None
    p: float | None = None
    p_adjusted: float | None = None
    compared_to: str | None = None
    reason: str | None = None
    flags: tuple[str, ...] = ()
    data_digest: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON-ready values, columns in their fixed order."""
        row = {item.name: getattr(self, item.name) for item in fields(self)}
        return {**row, "n_excluded": dict(self.n_excluded), "flags": list(self.flags)}


@dataclass(frozen=True)
class Context:
    """What every task needs beside its own options.

    Attributes:
        seed: the run's seed; draws and replicates derive from it.
        base: folder that relative paths in the options (prompt sets) start from.
        replicates: bootstrap replicates per interval; 0 leaves intervals out.
    """

    seed: int
    base: Path
    replicates: int = 2000


@dataclass(frozen=True)
class Result:
    """What a task returns.

    Attributes:
        rows: metric rows, in a fixed order.
        predictions: columns of equal length, one entry per sample, "id" first and sorted by it.
        extras: JSON-ready material for the report: confusion matrix, prompts used, neighbours.
    """

    rows: Sequence[Metric]
    predictions: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)


class Task(ABC, Generic[O]):
    """One evaluation task, registered by name under `workbench.tasks`.

    What is registered is the class; it is created without arguments. `options` is the schema of
    the task's entry under `evaluate:`, the `task:` key left out. Options that name modalities of
    the pipeline are called `query`, `gallery` or `anchor`.
    """

    options: type[O]

    def texts(self, options: O, rows: Rows, context: Context) -> Mapping[str, Sequence[str]]:
        """Return, by modality, the prompt texts whose vectors `Space.texts` must hold."""
        del options, rows, context
        return {}

    @abstractmethod
    def run(self, space: Space, options: O, context: Context) -> Result:
        """Turn one space into numbers."""
