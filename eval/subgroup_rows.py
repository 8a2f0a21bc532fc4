"""Rows of subgroups: the number inside each part, its gap to the rest, and without each part.

Legend: n rows, G groups.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.compare_tests import holm, split_test
from eval.intervals import Draws, Estimate, Resampler, Statistic, Weights
from eval.measures import Measure
from eval.selection import column
from eval.space import Space
from eval.subgroups import PRESENCE
from eval.task import Context, Metric
from workbench.errors import Refusal

Mask = NDArray[np.bool_]

UNKNOWN = "unknown"
REST = "the rest"


@dataclass(frozen=True)
class Divided:
    """One number, split up.

    Attributes:
        measure: the number.
        context: seed and replicates.
        least: fewest groups of a part that is shown.
        permutations: of the test of a gap.
    """

    measure: Measure
    context: Context
    least: int
    permutations: int

    @cached_property
    def whole(self) -> Resampler:
        """The replicates of all rows."""
        return Resampler(self.measure.groups, self.context.seed, self.context.replicates)

    def shown(self, parts: Sequence[str]) -> list[tuple[str, Mask]]:
        """Return the parts with enough groups, and which rows they hold."""
        return [
            (value, inside) for value, inside in _masks(parts)
            if self._groups(inside) >= self.least
        ]  # fmt: skip

    def rows(self, parent: Metric, name: str, parts: Sequence[str]) -> list[Metric]:
        """Return a row and a gap for every part with enough groups."""
        found = []
        for value, inside in self.shown(parts):
            shown = f"{name}={value}"
            found.append(self._row(parent, inside, estimate=self._own(inside), subgroup=shown))
            if not inside.all():
                found.append(self._gap(parent, inside, shown))
        return found

    def without_each(self, parent: Metric, name: str, parts: Sequence[str]) -> list[Metric]:
        """Return the number on all rows but those of one part, for every part."""
        return [
            self._row(parent, ~inside, estimate=self._own(~inside), subgroup=f"{name}!={value}")
            for value, inside in _masks(parts)
            if not inside.all() and self._groups(~inside) >= self.least
        ]

    def suppressed(self, name: str, parts: Sequence[str]) -> list[dict[str, Any]]:
        """Return the parts with too few groups to be shown."""
        return [
            {"column": name, "value": value, "n": int(inside.sum()), "n_groups": groups}
            for value, inside in _masks(parts)
            if (groups := self._groups(inside)) < self.least
        ]

    def _own(self, inside: Mask) -> Estimate:
        """Return the number of some rows, resampling their own groups."""
        rows = np.flatnonzero(inside)
        groups = [self.measure.groups[i] for i in rows]
        own = Resampler(groups, self.context.seed, self.context.replicates)
        return own.estimate(self.measure.statistic(rows, own.index))

    def _gap(self, parent: Metric, inside: Mask, shown: str) -> Metric:
        """Return inside minus outside, from replicates of all groups, with its p."""
        names: dict[str, Any] = {
            "subgroup": shown,
            "metric": f"{parent.metric}_gap",
            "compared_to": REST,
        }
        if self._groups(~inside) < self.least:
            reason = f"the rest has fewer than {self.least} groups"
            nothing = Estimate(None, reason=reason)
            return self._row(parent, inside, estimate=nothing, **names)
        index = self.whole.index
        within, outside = (
            self.measure.statistic(np.flatnonzero(mask), index[mask]) for mask in (inside, ~inside)
        )
        estimate = self.whole.estimate(_minus(within, outside))
        row = self._row(parent, inside, estimate=estimate, **names)
        member = np.zeros(len(self.whole.names), dtype=bool)
        member[index[inside]] = True
        if member[index[~inside]].any():
            return replace(row, flags=(*row.flags, "groups on both sides: no p"))
        everything = self.measure.statistic(np.arange(len(index)), index)
        p = split_test(everything, member, seed=self.context.seed, permutations=self.permutations)
        return replace(row, p=p)

    def _row(self, parent: Metric, inside: Mask, *, estimate: Estimate, **names: Any) -> Metric:
        return replace(
            parent, value=estimate.value, ci_low=estimate.low,
            ci_high=estimate.high, ci_method=estimate.method, reason=estimate.reason,
            n_replicates=estimate.replicates, n_degenerate=estimate.degenerate,
            flags=estimate.flags, n=int(inside.sum()), n_groups=self._groups(inside), chance=None,
            ties=None, **names,
        )  # fmt: skip

    def _groups(self, inside: Mask) -> int:
        return len(np.unique(self.whole.index[inside]))


def parts_of(
    space: Space, name: str, ids: Sequence[str], *, edges: Sequence[float] = ()
) -> list[str]:
    """Return the part that each row belongs to by a column; missing values are "unknown".

    Args:
        space: with the manifest.
        name: the column, or "presence" for which modalities a row holds.
        ids: the rows.
        edges: for a column of numbers, where a new band begins.

    Raises:
        Refusal: there is no such column, or a cell that should be banded is no number.
    """
    if name == PRESENCE and name not in space.rows.columns:
        return _patterns(space, ids)
    cells = column(space.rows, name)
    values = [cells[space.rows.position[row_id]] for row_id in ids]
    if edges:
        return [UNKNOWN if v is None else _band(v, edges, name) for v in values]
    return [UNKNOWN if v is None else v for v in values]


def with_holm(rows: Sequence[Metric]) -> list[Metric]:
    """Return rows with p adjusted over all of them."""
    adjusted = holm([row.p for row in rows])
    return [replace(row, p_adjusted=p) for row, p in zip(rows, adjusted, strict=True)]


def _masks(parts: Sequence[str]) -> Iterator[tuple[str, Mask]]:
    given = np.array(parts, dtype=object)
    for value in sorted(set(parts)):
        yield value, np.asarray(given == value, dtype=bool)


def _minus(one: Statistic, other: Statistic) -> Statistic:
    def gap(weights: Weights) -> Draws:
        (a, whole), (b, whole_too) = one(weights), other(weights)
        return a - b, whole & whole_too

    return gap


def _patterns(space: Space, ids: Sequence[str]) -> list[str]:
    """Return the modalities that each row holds, joined by "+"."""
    holders = {
        name: set(v.ids) for name, v in sorted(space.vectors.items()) if not set(name) & set("@,")
    }
    return ["+".join(n for n, held in holders.items() if row in held) or "none" for row in ids]


def _band(value: str, edges: Sequence[float], name: str) -> str:
    """Return the band [a, b) that a number lies in."""
    try:
        place = bisect_right(edges, float(value))
    except ValueError:
        raise Refusal(
            "E-CFG-029", file="manifest", field=f"evaluate: subgroups.bands.{name}",
            found="a cell that is no number", expected="numbers, or the column without bands",
        ) from None  # fmt: skip
    if place == 0:
        return f"<{edges[0]:g}"
    if place == len(edges):
        return f">={edges[-1]:g}"
    return f"{edges[place - 1]:g}-{edges[place]:g}"
