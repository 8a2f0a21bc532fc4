"""Metric rows laid out as small tables where one panel per row would hide what belongs together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eval.report.blocks import Block, Table
from eval.report.tables import place
from eval.report.verdicts import all_main_rows
from eval.report.wording import finite, interval, is_control, metric_name, model_name, number

Row = Mapping[str, Any]

MOST_COLUMNS = 12


def by_rank(rows: Sequence[Row]) -> Iterable[Block]:
    """Yield a table of ranks and pools per query and keys, trained model, smallest k."""
    kept = [row for row in rows if row.get("rank") and not is_control(row)]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in kept:
        where = place({**row, "label": None})
        key = (where, str(row.get("relation") or ""), metric_name({**row, "k": None}))
        groups.setdefault(key, []).append(row)
    for (where, _, metric), group in groups.items():
        least = min((row["k"] for row in group if finite(row.get("k")) is not None), default=None)
        chosen = [row for row in group if row.get("k") == least]
        table = _cross(chosen, down="rank", across="pool")
        if table is not None:
            title = f"{where}: {metric}" + ("" if least is None else f" at {least}")
            yield Table(title, ("rank", *table[0]), table[1], _numeric(len(table[0])))


def by_label(rows: Sequence[Row]) -> Iterable[Block]:
    """Yield a table of labels and metrics per kind of vector, trained model only."""
    groups: dict[tuple[str, bool], list[Row]] = {}
    for row in rows:
        if not is_control(row) and row.get("label"):
            restated = "_at_" in str(row.get("metric"))
            groups.setdefault((str(row.get("pool") or ""), restated), []).append(row)
    for (pool, restated), group in groups.items():
        named = [{**row, "metric": metric_name(row)} for row in group]
        table = _cross(named, down="label", across="metric")
        if table is not None:
            title = "Restated for other prevalences" if restated else "At the thresholds chosen"
            title += f", {pool}" if pool else ""
            yield Table(title, ("label", *table[0]), table[1], _numeric(len(table[0])))


def controls(rows: Sequence[Row]) -> Iterable[Block]:
    """Yield one table: every main number beside the same number of every control."""
    names = list(dict.fromkeys(model_name(row) for row in rows if is_control(row)))
    mains = all_main_rows(rows)
    if not names or not mains:
        return
    at = {_same(row): row for row in rows}
    cells = tuple(
        (f"{metric_name(row)}, {place(row)}", _cell(row), number(row.get("chance")),
         *(_cell(at.get(_same({**row, "model": model}))) for model in _models(rows)))
        for row in mains
    )  # fmt: skip
    columns = ("number", "trained", "chance", *names)
    note = "A model that does not clear its controls has shown nothing. The same rows, the same groups."
    title = "Main numbers beside their controls"
    yield Table(title, columns, cells, _numeric(len(columns) - 1), note=note)


def _models(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(str(row.get("model")) for row in rows if is_control(row)))


def _same(row: Row) -> tuple[str, ...]:
    """Return what makes two rows the same number of the same model."""
    names = ("task", "query", "gallery", "label", "relation", "metric", "k", "average", "rank",
             "pool", "subgroup", "split", "unit", "model", "compared_to")  # fmt: skip
    return tuple(str(row.get(name)) for name in names)


def _cross(
    rows: Sequence[Row], *, down: str, across: str
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]] | None:
    """Return headings and lines of a cross table, in order of appearance; None when too wide."""
    columns = tuple(dict.fromkeys(str(row.get(across) or "") for row in rows))
    lines = tuple(dict.fromkeys(str(row.get(down) or "") for row in rows))
    if not 0 < len(columns) <= MOST_COLUMNS:
        return None
    at = {(str(row.get(down) or ""), str(row.get(across) or "")): row for row in rows}
    return columns, tuple(
        (line, *(_cell(at.get((line, column))) for column in columns)) for line in lines
    )


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    value = finite(row.get("value"))
    if value is None:
        return "not defined"
    return f"{number(row['value'])}\n{interval(row)}" if interval(row) else number(row["value"])


def _numeric(columns: int) -> frozenset[int]:
    return frozenset(range(1, columns + 1))
