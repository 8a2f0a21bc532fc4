"""Section 13: which classes are confused, which samples are worst, which queries found nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eval.report.blocks import Block, Missing, Table
from eval.report.data import ReportData
from eval.report.wording import count, finite, number

MOST = 12
_NUMBERS = frozenset({"lead", "behind", "truth_rank", "rank", "of", "distance"})


def failure_analysis(data: ReportData) -> list[Block]:
    """Return the worst confusions, errors and searches of every task."""
    blocks: list[Block] = []
    for key, extra in data.extras.items():
        blocks.extend(_confused(key, extra))
        blocks.extend(_errors(key, extra))
        blocks.extend(_cases(key, extra))
        blocks.extend(_misses(key, extra))
    return blocks or [Missing("single errors")]


_CASES = {
    "confident": (
        "Surest errors",
        ("id", "truth", "prediction", "lead"),
        "Lead: how far the class named lies above the second.",
    ),
    "near_misses": (
        "Near misses",
        ("id", "truth", "prediction", "behind"),
        "The truth came second; behind: by how much.",
    ),
    "by_class": (
        "Worst errors of each class",
        ("truth", "id", "prediction", "truth_rank", "behind"),
        "Truth rank: the place of the true class among all.",
    ),
    "far": (
        "Numbers missed by most",
        ("id", "truth", "prediction", "distance"),
        "Distance: between the predicted and the true number.",
    ),
    "near_found": (
        "Searches that nearly found",
        ("id", "search", "rank", "of"),
        "Rank: of the first right item.",
    ),
    "lost": (
        "Searches that lost furthest",
        ("id", "search", "rank", "of"),
        "Rank: of the first right item.",
    ),
}


def _cases(key: str, extra: Mapping[str, Any]) -> Iterable[Block]:
    """Show the single samples that were picked out of the predictions."""
    for name, (title, columns, note) in _CASES.items():
        cases = (extra.get("cases") or {}).get(name) or ()
        if cases:
            rows = tuple(tuple(_cell(case.get(column)) for column in columns) for case in cases)
            numeric = frozenset(i for i, c in enumerate(columns) if c in _NUMBERS)
            words = tuple(column.replace("_", " ") for column in columns)
            yield Table(f"{title} of {key}", words, rows, numeric, len(rows) > 6, note)


def _cell(value: Any) -> str:
    """Write a cell; a whole number is a rank or a count."""
    given = finite(value)
    if given is None:
        return "" if value is None else str(value)
    return count(given) if given == round(given) else number(given)


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
