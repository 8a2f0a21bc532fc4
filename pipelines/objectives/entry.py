"""What a registered objective says of itself, without importing torch."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from workbench.modality import Options

if TYPE_CHECKING:
    from pipelines.objectives.objective import Objective

Need = Literal["tokens", "views", "labels", "ema", "recon", "fusion", "queue", "ids", "inputs"]


@dataclass(frozen=True)
class Edge:
    """A comparison the loss sums: one query modality against one or several candidates."""

    query: str
    candidates: tuple[str, ...]
    weight: float = 1.0

    @property
    def name(self) -> str:
        """Name of the loss term, such as "ecg-report"."""
        return f"{self.query}-{'+'.join(self.candidates)}"


@dataclass(frozen=True)
class ObjectiveEntry:
    """A registered objective.

    Attributes:
        name: registry name.
        builder: "package.module:Class", called with (options, edges).
        options: schema of `objective:` in the pipeline file, the name left out.
        summary: one line.
        papers: what it covers.
        needs: what it reads beside pooled vectors; the trainer provides nothing else.
        separable: True when plain gradient accumulation is exact.
        cost: relative to two-tower InfoNCE.
    """

    name: str
    builder: str
    options: type[Options]
    summary: str
    papers: tuple[str, ...]
    needs: frozenset[Need] = frozenset()
    separable: bool = False
    cost: str = "1x"

    def build(self, options: Options, edges: Sequence[Edge]) -> Objective:
        """Import the loss and return it."""
        module, _, name = self.builder.partition(":")
        built: Objective = getattr(importlib.import_module(module), name)(options, edges)
        return built
