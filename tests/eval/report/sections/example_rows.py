"""Metric rows and runs that the tests of sections share."""

from __future__ import annotations

from typing import Any

from eval.report import ReportData


def row(task: str, metric: str, value: float | None, **given: Any) -> dict[str, Any]:
    """A metric row of the trained model with an interval of 0.1 around its value."""
    ends = {} if value is None else {"ci_low": value - 0.05, "ci_high": value + 0.05}
    return {"task": task, "query": "ecg", "metric": metric, "split": "test", "model": "trained",
            "value": value, "n": 80, "n_groups": 40, "n_excluded": {}, "flags": [],
            **ends, **given}  # fmt: skip


def run(rows: list[dict[str, Any]], **given: Any) -> ReportData:
    """A run with these numbers."""
    return ReportData("demo", "abc", 7, "name: demo", metrics=rows, **given)
