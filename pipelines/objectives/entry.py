"""What a registered objective says of itself, without importing torch."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from workbench.modality import Options

if TYPE_CHECKING:
    from pipelines.objectives.objective import Objective

Need = Literal["tokens", "labels", "ema", "views", "recon", "contrary", "memory"]
"""What an objective reads beside pooled vectors; the trainer makes nothing else for it.

tokens: `Encoded.tokens` · labels: `Items.label` or `Items.ranks` · ema: `Step.ema` · views:
`Step.second` (with ema also `Step.ema_second`) · recon: `Step.hidden` · contrary: `Step.contrary`
· memory: `Objective.on_epoch` is given the vectors of all training rows.
"""


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
class Shapes:
    """The sizes an objective may need to build its own layers.

    Attributes:
        dim: D, the width of the shared space; tokens have it too.
        rows: number of rows of the manifest; `Items.ids` are below it.
        recon: per modality (P elements under a token, C classes or 0 when continuous).
    """

    dim: int
    rows: int = 0
    recon: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class ObjectiveOptions(Options):
    """What the options of every objective share."""

    def needs(self) -> frozenset[Need]:
        """Return what these options need beside what the entry says."""
        return frozenset()

    @classmethod
    def may_need(cls) -> frozenset[Need]:
        """Return what some of these options need, for `workbench list`."""
        return frozenset()


@dataclass(frozen=True)
class ObjectiveEntry:
    """A registered objective.

    Attributes:
        name: registry name.
        builder: "package.module:Class", called with (options, edges, shapes).
        options: schema of `objective:` in the pipeline file, the name left out.
        summary: one line.
        papers: what it covers.
        needs: what it reads beside pooled vectors, whatever its options.
        separable: True when plain gradient accumulation is exact.
        joint: True when a query is compared with all its candidate modalities at once.
        cost: relative to two-tower InfoNCE.
        examples: options for which the suite of invariants runs; together they reach every branch.
    """

    name: str
    builder: str
    options: type[ObjectiveOptions]
    summary: str
    papers: tuple[str, ...]
    needs: frozenset[Need] = frozenset()
    separable: bool = False
    joint: bool = False
    cost: str = "1x"
    examples: tuple[Mapping[str, Any], ...] = ({},)

    def needed(self, options: ObjectiveOptions) -> frozenset[Need]:
        """Return everything these options need."""
        return self.needs | options.needs()

    def build(self, options: ObjectiveOptions, edges: Sequence[Edge], shapes: Shapes) -> Objective:
        """Import the loss and return it; a joint objective gets the edges of one query as one."""
        module, _, name = self.builder.partition(":")
        arranged = gathered(edges) if self.joint else tuple(edges)
        made: Objective = getattr(importlib.import_module(module), name)(options, arranged, shapes)
        return made


def gathered(edges: Sequence[Edge]) -> tuple[Edge, ...]:
    """Return one edge per query, its candidates in order, its weight the mean."""
    found: dict[str, list[Edge]] = {}
    for edge in edges:
        found.setdefault(edge.query, []).append(edge)
    return tuple(
        Edge(query, tuple(c for e in mine for c in e.candidates), _mean(mine))
        for query, mine in found.items()
    )


def _mean(edges: Sequence[Edge]) -> float:
    return sum(e.weight for e in edges) / len(edges)
