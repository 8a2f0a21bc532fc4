"""Weighted mean of several objectives over one batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import ClassVar

from torch import Tensor, nn

from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items, LossOut, Memory, Objective, Step
from pipelines.objectives.weighted_sum import SumOptions
from workbench.errors import Refusal


class WeightedSum(Objective):
    """Each part's own weighted mean of its terms, weighed against the other parts'.

    Terms carry the name of their part before their own ("hcl/ecg-report"); a second part of one
    objective is "hcl_2". A part that has no valid row in a batch leaves the mean to the others.

    Args:
        options: see SumOptions.
        edges: the comparisons; a joint part gets those of one query as one.
        shapes: sizes of the shared space.

    Raises:
        Refusal: two parts read different label columns.
    """

    row_split: ClassVar[bool] = True

    def __init__(self, options: SumOptions, edges: Sequence[Edge], shapes: Shapes) -> None:
        super().__init__()
        self.parts = nn.ModuleDict()
        self.weights: dict[str, float] = {}
        for part in options.parts:
            name = _unused(part.name, self.weights)
            self.parts[name] = part.entry().build(part.chosen(), edges, shapes)
            self.weights[name] = part.weight
        self.columns = _agreed({name: part.label_columns() for name, part in self._parts().items()})

    def label_columns(self) -> tuple[str, ...]:
        """Return the columns that the parts read."""
        return self.columns

    def forward(self, encoded: Encoded, items: Items, step: Step) -> LossOut:
        """Return all terms of all parts.

        A part in which every process computes the whole loss is divided by their number here, so
        that the sum over processes is the whole for every part.
        """
        terms: dict[str, Tensor] = {}
        weights: dict[str, float] = {}
        logs: dict[str, float] = {}
        for name, part in self._parts().items():
            out: LossOut = part(encoded, items, step)
            scale = sum(out.weights[k] for k in out.terms)
            split = 1 if part.row_split else step.world
            for key, value in out.terms.items():
                terms[f"{name}/{key}"] = value / split
                weights[f"{name}/{key}"] = self.weights[name] * out.weights[key] / scale
            logs |= {f"{name}/{key}": value for key, value in out.logs.items()}
        return LossOut(terms, weights, logs)

    def after_step(self, encoded: Encoded, items: Items, step: Step) -> None:
        """Let every part adjust its state."""
        for part in self._parts().values():
            part.after_step(encoded, items, step)

    def on_epoch(self, epoch: int, memory: Callable[[], Memory]) -> None:
        """Let every part refresh what lasts an epoch; rows are embedded once for all."""
        once = cache(memory)
        for part in self._parts().values():
            part.on_epoch(epoch, once)

    def _parts(self) -> dict[str, Objective]:
        return {name: part for name, part in self.parts.items() if isinstance(part, Objective)}


def _unused(name: str, taken: dict[str, float]) -> str:
    """Return a name for a part, numbered when an earlier one has it."""
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def _agreed(columns: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the label columns of the parts, which read the same ones or none."""
    read = {name: found for name, found in columns.items() if found}
    if len(set(read.values())) > 1:
        raise Refusal(
            "E-CFG-011", file="pipeline", field="align.objective.parts",
            found=f"label columns {read}", expected="the same columns in every part that reads any",
            fix="Give the parts one label or one list of ranks.",
        )  # fmt: skip
    return next(iter(read.values()), ())
