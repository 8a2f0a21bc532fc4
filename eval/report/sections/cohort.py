"""What went into the run: flow of rows, splits, leakage, prevalence, quarantine, flags."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from eval.report.blocks import Block, Facts, Missing, Table, Text
from eval.report.data import ReportData
from eval.report.sections.author import SOURCES, given
from eval.report.sections.prevalence import prevalences, shifts
from eval.report.verdicts import found_count, leaks
from eval.report.wording import count, listing, number

SHOWN_QUARANTINE = 200
_FLOW = ("rows", "absent", "present", "ok", "flag", "quarantine")
_LINE = ("id", "modality", "code", "file", "field", "found", "expected", "hint")


def data_flow(data: ReportData) -> list[Block]:
    """Section 2: sources, and the way from rows to items."""
    blocks: list[Block] = [Facts((("This run's data", data.source), *given(data, SOURCES).pairs))]
    if not data.flow:
        return [*blocks, Missing("the flow of rows")]
    rows = tuple(
        (name, *(count(flow.get(key)) for key in _FLOW)) for name, flow in data.flow.items()
    )
    blocks.append(Table("Rows found, read and set aside", ("modality", *_FLOW), rows, numbers(7)))
    wrong = [name for name, flow in data.flow.items() if not _balanced(flow)]
    if wrong:
        text = f"The counts of {listing(wrong)} do not add up: some rows are unaccounted for."
        return [*blocks, Text(text, "warn")]
    text = "Every row is accounted for: rows = absent + present, present = ok + flag + quarantine."
    return [*blocks, Text(text, "good")]


def partition(data: ReportData) -> list[Block]:
    """Section 3: splits, what the leakage audit found, pretraining overlap."""
    blocks: list[Block] = []
    if data.splits:
        columns = list(dict.fromkeys(key for split in data.splits.values() for key in split))
        rows = tuple(
            (name, *(count(split.get(key)) for key in columns))
            for name, split in data.splits.items()
        )
        title = "Rows, groups and items per split"
        blocks.append(Table(title, ("split", *columns), rows, numbers(len(columns) + 1)))
    else:
        blocks.append(Missing("the sizes of the splits"))
    checks = {k: v for k, v in data.leakage.items() if k != "pretraining_overlap"}
    if checks:
        rows = tuple((key.replace("_", " "), *_check(value)) for key, value in checks.items())
        blocks.append(Table("Leakage audit", ("check", "found", "result"), rows, frozenset({1})))
        blocks.append(_audit_verdict(leaks(checks)))
    else:
        blocks.append(Missing("the leakage audit"))
    return [*blocks, _pretraining(data.leakage.get("pretraining_overlap"))]


def demographics(data: ReportData) -> list[Block]:
    """Section 4: who is in the splits, and how common each class is."""
    blocks: list[Block] = [Facts((("Demographics", str(data.card.get("demographics") or "")),))]
    tables: list[Block] = [*prevalences(data.labels)]
    for key, extra in () if tables else data.extras.items():
        table = _prevalence(key, extra)
        if table is not None and table.rows not in [
            known.rows for known in tables if isinstance(known, Table)
        ]:
            tables.append(table)
    return [*blocks, *tables] if tables else [*blocks, Missing("class prevalence")]


def shift(data: ReportData) -> list[Block]:
    """Section 14: how presence and class shares differ between splits and sites."""
    names = [name for name in data.flow if any(name in split for split in data.splits.values())]
    blocks: list[Block] = []
    if names:
        rows = tuple(
            (split, *(_share(counts.get(name), counts.get("rows")) for name in names))
            for split, counts in data.splits.items()
        )
        title = "Share of rows that hold each modality"
        blocks.append(Table(title, ("split", *names), rows, numbers(len(names) + 1)))
    return [*blocks, *(list(shifts(data.labels)) or [Missing("label prevalence per split")])]


def quarantine(data: ReportData) -> list[Block]:
    """Section 16: what could not be read, and what was read with a remark."""
    blocks: list[Block] = []
    if data.quarantine:
        codes = Counter(str(line.get("code", "")) for line in data.quarantine)
        rows = tuple((code, count(n)) for code, n in sorted(codes.items(), key=lambda x: -x[1]))
        blocks.append(Table("Set aside, by code", ("code", "cells"), rows, frozenset({1})))
        shown = data.quarantine[:SHOWN_QUARANTINE]
        lines = tuple(tuple(str(line.get(key) or "") for key in _LINE) for line in shown)
        title = f"{count(len(shown))} of {count(len(data.quarantine))} cells set aside"
        blocks.append(Table(title, _LINE, lines, folded=len(shown) > 8))
    else:
        blocks.append(Text("No cell was quarantined.", "good"))
    if data.flags:
        by_count = sorted(data.flags.items(), key=lambda item: (-item[1], item[0]))
        rows = tuple((code, count(n)) for code, n in by_count)
        title = "Read with a remark"
        return [*blocks, Table(title, ("flag", "cells"), rows, frozenset({1}), len(rows) > 15)]
    return [*blocks, Text("No flag was raised.", "good")]


def numbers(columns: int) -> frozenset[int]:
    """Return the indices of all columns but the first."""
    return frozenset(range(1, columns))


def _balanced(flow: Mapping[str, int]) -> bool:
    rows, absent, present, ok, flag, lost = (flow.get(key, 0) for key in _FLOW)
    return rows == absent + present and present == ok + flag + lost


def _check(value: Any) -> tuple[str, str]:
    """Word one check of the audit: how much it found, and its result."""
    if isinstance(value, str):
        return "", value
    result = str(value.get("result") or "") if isinstance(value, Mapping) else ""
    found = found_count(value)
    return count(found), result or ("found" if found else "clean")


def _audit_verdict(found: Sequence[str]) -> Text:
    if found:
        return Text(f"Leakage was found: {listing(list(found))}.", "warn")
    return Text("The audit found nothing that crosses splits.", "good")


def _pretraining(overlap: Any) -> Facts:
    if isinstance(overlap, Mapping):
        pairs = tuple((str(name), str(text)) for name, text in overlap.items())
        return Facts(pairs, "Overlap with the encoders' pretraining data")
    return Facts((("Overlap with the encoders' pretraining data", str(overlap or "")),))


def _prevalence(key: str, extra: Mapping[str, Any]) -> Table | None:
    """Count the true classes of an evaluated split from its confusion matrix."""
    classes, confusion = extra.get("classes") or (), extra.get("confusion") or ()
    if not classes or len(classes) != len(confusion):
        return None
    totals = [sum(row) for row in confusion]
    rows = tuple(
        (str(name), count(total), _share(total, sum(totals)))
        for name, total in zip(classes, totals, strict=True)
    )
    title = f"Classes among the rows evaluated by {key}"
    return Table(title, ("class", "rows", "share"), rows, numbers(3), len(rows) > 15)


def _share(part: float | None, whole: float | None) -> str:
    return "" if part is None or not whole else number(part / whole)
