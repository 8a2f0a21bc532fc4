"""What a fused vector is worth when some of its modalities are missing, as tables for section 12."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.report.blocks import Block, Table, Text
from eval.report.data import ReportData
from eval.report.tables import place
from eval.report.verdicts import main_rows
from eval.report.wording import count, interval, metric_name, number, task_name

Row = Mapping[str, Any]

_SIDES = ("query", "gallery")
_SAME = ("task", "label", "relation", "metric", "k", "average", "rank", "pool", "split")


def subsets(data: ReportData) -> list[Block]:
    """Return one table per task that names a fused vector, small subsets first, the whole last."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in main_rows(data.subsets):
        groups.setdefault(_key(row), []).append(row)
    if not groups:
        return []
    whole = {_key(row): row for row in data.metrics if row.get("model") == "trained"}
    blocks: list[Block] = [_table(rows, whole.get(key)) for key, rows in groups.items()]
    note = Text(
        "A subset's number is of the rows that hold all of it, fused from these modalities alone; "
        "the whole takes whatever a row holds. Rows differ, so compare with the intervals in view."
    )
    return [note, *blocks]


def _table(rows: list[Row], whole: Row | None) -> Table:
    shown = [(_part(row), row) for row in rows]
    shown += [] if whole is None else [("whatever is present", whole)]
    cells = tuple(
        (name, number(row.get("value")), interval(row), number(row.get("chance")),
         count(row.get("n")))
        for name, row in shown
    )  # fmt: skip
    about = {**rows[0], **{side: _base(rows[0].get(side)) for side in _SIDES}}
    title = f"{task_name(about)} · {place(about)}, by what it is made of"
    columns = ("made of", metric_name(rows[0]), "95 % interval", "chance", "queries")
    return Table(title, columns, cells, frozenset({1, 2, 3, 4}))


def _key(row: Row) -> tuple[str, ...]:
    """Return what a subset's row and the whole's have in common."""
    sides = (str(_base(row.get(side))) for side in _SIDES)
    return (*sides, *(str(row.get(name)) for name in _SAME))


def _base(name: Any) -> Any:
    """Return the fused name of a subset, "patient" of "patient@xray+ecg"."""
    return name.partition("@")[0] if isinstance(name, str) else name


def _part(row: Row) -> str:
    """Return the modalities of a row's subset, "xray + ecg"."""
    parts = [str(row.get(side)).partition("@")[2] for side in _SIDES]
    return " → ".join(part.replace("+", " + ") for part in parts if part)
