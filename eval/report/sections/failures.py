"""Section 13: which classes are confused, which samples are worst, which queries found nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eval.report.blocks import Block, Missing, Table
from eval.report.data import ReportData
from eval.report.wording import count, number

MOST = 12


def failure_analysis(data: ReportData) -> list[Block]:
    """Return the worst confusions, errors and searches of every task."""
    blocks: list[Block] = []
    for key, extra in data.extras.items():
        blocks.extend(_confused(key, extra))
        blocks.extend(_errors(key, extra))
        blocks.extend(_misses(key, extra))
    return blocks or [Missing("single errors")]


def _confused(key: str, extra: Mapping[str, Any]) -> Iterable[Block]:
    classes, confusion = extra.get("classes") or (), extra.get("confusion") or ()
    wrong = [
        (value, sum(row), str(classes[i]), str(classes[j]))
        for i, row in enumerate(confusion)
        for j, value in enumerate(row)
        if i != j and value > 0 and i < len(classes) and j < len(classes)
    ]
    wrong.sort(key=lambda entry: (-entry[0], entry[2], entry[3]))
    if wrong:
        rows = tuple(
            (truth, called, count(value), number(value / total))
            for value, total, truth, called in wrong[:MOST]
        )
        columns = ("truth", "called", "rows", "share of the class")
        yield Table(f"Most confused classes of {key}", columns, rows, frozenset({2, 3}))


def _errors(key: str, extra: Mapping[str, Any]) -> Iterable[Block]:
    errors = extra.get("errors") or ()
    if errors:
        names = ("id", "truth", "prediction", "score")
        rows = tuple(
            (*(str(error.get(name, "")) for name in names[:3]), number(error.get("score")))
            for error in errors[:MOST]
        )
        yield Table(f"Worst errors of {key}", names, rows, frozenset({3}))


def _misses(key: str, extra: Mapping[str, Any]) -> Iterable[Block]:
    missed = [
        entry
        for entry in extra.get("neighbours") or ()
        if entry.get("items") and not any(item.get("relevant") for item in entry["items"])
    ]
    if missed:
        rows = tuple(
            (str(entry.get("query", "")), str(entry["items"][0].get("id", "")),
             number(entry["items"][0].get("score")))
            for entry in missed[:MOST]
        )  # fmt: skip
        title = f"Shown queries of {key} that found nothing relevant"
        yield Table(title, ("query", "nearest instead", "score"), rows, frozenset({2}))
