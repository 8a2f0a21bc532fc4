"""Turns estimates into metric rows that say all a number must say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eval.intervals import Estimate, Resampler, Statistic
from eval.task import Context, Metric
from workbench.modality import Options


@dataclass(frozen=True)
class Sheet:
    """The rows of one set of queries: what they share, and the replicates of their groups.

    Attributes:
        shared: the columns that every row of the sheet has.
        resampler: the groups of the queries.
        rows: what was added, in order.
    """

    shared: Mapping[str, Any]
    resampler: Resampler
    rows: list[Metric] = field(default_factory=list)

    def add(
        self, metric: str, statistic: Statistic, *, chance: float | None = None, **columns: Any
    ) -> Metric:
        """Estimate a statistic, append its row and return it."""
        return self._append(metric, self.resampler.estimate(statistic), chance, columns=columns)

    def add_value(
        self, metric: str, value: float | None, *, chance: float | None = None, reason: str | None,
        **columns: Any,
    ) -> Metric:  # fmt: skip
        """Append a row without interval, and say why it has none."""
        return self._append(metric, Estimate(value, reason=reason), chance, columns=columns)

    def _append(
        self, metric: str, estimate: Estimate, chance: float | None, *, columns: Mapping[str, Any]
    ) -> Metric:
        flags = (*self.shared.get("flags", ()), *columns.get("flags", ()), *estimate.flags)
        row = Metric(
            metric=metric, value=estimate.value, chance=chance, ci_low=estimate.low,
            ci_high=estimate.high, ci_method=estimate.method, n_replicates=estimate.replicates,
            n_degenerate=estimate.degenerate,
            **{**self.shared, "reason": estimate.reason, **columns, "flags": flags},
        )  # fmt: skip
        self.rows.append(row)
        return row


def sheet(resampler: Resampler, **shared: Any) -> Sheet:
    """Return an empty sheet for queries in these groups; n and n_groups are counted here."""
    counts = {"n": len(resampler.groups), "n_groups": len(resampler.names), "unit": "group"}
    return Sheet({**counts, "seed": resampler.seed, **shared}, resampler)


def resampler(groups: tuple[str, ...], context: Context) -> Resampler:
    """Return the replicates of some queries under a run's seed."""
    return Resampler(groups, context.seed, context.replicates)


def config_digest(options: Options, context: Context) -> str:
    """Return 12 characters that change when the task's options, seed or replicates change."""
    given = {**options.model_dump(mode="json"), "seed": context.seed, "r": context.replicates}
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:12]
