"""The first paragraph of a report: what ran, on what, what came out, and what to beware of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.report.data import ReportData
from eval.report.tables import place
from eval.report.verdicts import main_rows, standing
from eval.report.wording import (
    count,
    finite,
    interval,
    listing,
    metric_name,
    number,
    task_name,
)


def summary(data: ReportData) -> tuple[str, ...]:
    """Return the sentences of the first paragraph, warnings not included."""
    return tuple(part for part in (_what_ran(data), _on_what(data), *_results(data)) if part)


def _what_ran(data: ReportData) -> str:
    towers: Mapping[str, Any] = data.record.get("towers") or {}
    names = list(towers) or list(data.flow)
    if not names:
        return f"Run {data.name} ({data.digest})."
    trained = sum(int(finite(tower.get("trained_parameters")) or 0) for tower in towers.values())
    total = sum(int(finite(tower.get("total_parameters")) or 0) for tower in towers.values())
    share = f", training {trained:,} of {total:,} tower parameters" if total else ""
    space = "one shared space" if len(names) > 1 else "a space"
    return f"Run {data.name} brought {listing(names)} into {space}{share}."


def _on_what(data: ReportData) -> str:
    rows = max((flow.get("rows", 0) for flow in data.flow.values()), default=0)
    present = sum(flow.get("present", 0) for flow in data.flow.values())
    lost = sum(flow.get("quarantine", 0) for flow in data.flow.values())
    source = data.source.strip().rstrip(".") or "a source that was not named"
    if not rows:
        return f"Data: {source}."
    set_aside = (
        f"{count(lost)} of {count(present)} files or texts could not be read and were set aside"
        if lost
        else f"all {count(present)} files and texts could be read"
    )
    return f"Data: {source}; {count(rows)} rows, {set_aside}."


def _results(data: ReportData) -> list[str]:
    """One sentence for each main number, at most three."""
    rows = main_rows(data.metrics)
    if not rows:
        return ["No evaluation result was given."]
    spoken = [_result(row) for row in rows[:3]]
    more = len(rows) - len(spoken)
    return [*spoken, f"{count(more)} more main results follow."] if more else spoken


def _result(row: Mapping[str, Any]) -> str:
    if row.get("relation"):
        subject = f"Searching {row.get('gallery')} by {row.get('query')} ({row['relation']})"
    else:
        subject = f"Naming {row.get('label') or 'the classes'} from {row.get('query')} zero-shot"
    if row.get("task") not in ("zero_shot", "retrieval"):
        subject = f"{task_name(row)} of {place(row)}"
    where = f" on the {row['split']} split" if row.get("split") else ""
    if finite(row.get("value")) is None:
        return f"{subject}{where}: {metric_name(row)} is not defined ({row.get('reason')})."
    sure = f"95 % interval {interval(row)}" if interval(row) else "no interval"
    chance = f", chance {number(row['chance'])}" if row.get("chance") is not None else ""
    verdict = standing(row)[0]
    return (
        f"{subject}{where}: {metric_name(row)} {number(row['value'])} ({sure}{chance}; "
        f"n = {count(row.get('n'))} in {count(row.get('n_groups'))} groups), {verdict}."
    )
