"""Section 11: the numbers in every part of the people, each beside the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eval.report.blocks import Block, Heading, Missing, Table, Text
from eval.report.data import ReportData
from eval.report.sections.tasks import anchor_of, page_of, task_of
from eval.report.tables import place
from eval.report.wording import count, interval, is_control, metric_name, number, probability

Row = Mapping[str, Any]

_GAP = "_gap"
_SAME = ("task", "query", "gallery", "label", "relation", "k", "average", "rank", "pool", "split")


def subgroups(data: ReportData) -> list[Block]:
    """Return one table per number: every part's value, and its gap to the rest with p."""
    rows = [row for row in data.metrics if row.get("subgroup") and not is_control(row)]
    blocks = [*_tables(rows), *_suppressed(data.extras)]
    if not blocks:
        return [Missing("subgroup results", "Add the subgroups task and name its columns.")]
    return [Heading("Subgroups", page_of("subgroups").meaning, anchor_of("subgroups")), *blocks]


def _tables(rows: Sequence[Row]) -> Iterable[Block]:
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((_metric(row), *(str(row.get(key)) for key in _SAME)), []).append(row)
    for group in groups.values():
        own = {str(row["subgroup"]): row for row in group if not row.get("compared_to")}
        gaps = {str(row["subgroup"]): row for row in group if row.get("compared_to")}
        parts = dict.fromkeys([*own, *gaps])
        lines = tuple(_line(name, own.get(name, {}), gaps.get(name, {})) for name in parts)
        about = {**group[0], "metric": _metric(group[0])}
        title = f"{metric_name(about)}, {place(about)}"
        columns = ("part", "value", "95 % interval", "gap to the rest", "95 % interval", "p",
                   "p (Holm)", "n in groups", "remarks")  # fmt: skip
        yield Table(title, columns, lines, frozenset(range(1, 8)), note=_note(parts))


def _line(name: str, own: Row, gap: Row) -> tuple[str, ...]:
    remarks = [own.get("reason"), gap.get("reason"), *(own.get("flags") or ()),
               *(gap.get("flags") or ())]  # fmt: skip
    about = own or gap
    return (
        _part(name), _value(own), interval(own),
        _signed(gap), interval(gap), probability(gap.get("p")), probability(gap.get("p_adjusted")),
        f"{count(about.get('n'))} in {count(about.get('n_groups'))}",
        "; ".join(dict.fromkeys(str(text) for text in remarks if text)),
    )  # fmt: skip


def _part(name: str) -> str:
    """Word a part, "sex=F" or, all but it, "site!=A"."""
    column, _, value = name.partition("=")
    return f"{column[:-1]} left out: {value}" if column.endswith("!") else f"{column}: {value}"


def _suppressed(extras: Mapping[str, Mapping[str, Any]]) -> Iterable[Block]:
    for key, extra in extras.items():
        parts = extra.get("suppressed") or ()
        if parts and task_of(key) == "subgroups":
            names = ("column", "value", "n", "n_groups")
            cells = tuple(tuple(str(part.get(name, "")) for name in names) for part in parts)
            title = f"Parts of {key} with too few groups to be shown"
            yield Table(title, ("column", "value", "rows", "groups"), cells, frozenset({2, 3}))
    if any(extra.get("suppressed") for extra in extras.values()):
        yield Text("That a part is too small to be shown is a finding about the data.", "warn")


def _note(parts: Iterable[str]) -> str:
    note = "A gap is the part minus the rest, on the same replicates."
    left_out = any("!=" in name for name in parts)
    return note + (' "Left out" is the number on everybody else.' if left_out else "")


def _metric(row: Row) -> str:
    return str(row.get("metric", "")).removesuffix(_GAP)


def _value(row: Row) -> str:
    return "not defined" if row and row.get("value") is None else number(row.get("value"))


def _signed(row: Row) -> str:
    value = row.get("value")
    return number(value) if not isinstance(value, float) else f"{value:+.3f}"
