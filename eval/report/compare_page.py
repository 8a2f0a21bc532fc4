"""The page that sets several runs side by side: a leaderboard, then paired differences with p."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eval.report.blocks import Block, Facts, Heading, Missing, Numbers, Table, Text
from eval.report.page import environment, fragment
from eval.report.sections.author import RESEARCH_USE
from eval.report.tables import Line, Panel, aligned, drawn_line, place
from eval.report.wording import (
    LOWER_IS_BETTER,
    count,
    finite,
    interval,
    listing,
    metric_name,
    number,
    probability,
)
from workbench.files import atomic_write

Row = Mapping[str, Any]

LEVEL = 0.05
_SAME = ("entry", "query", "gallery", "relation", "label", "metric", "k", "average", "pool")


@dataclass(frozen=True)
class ComparisonData:
    """Several runs over the same rows, as the page sees them.

    Attributes:
        runs: names, the reference first.
        board: one row per run and number: "run", "rank", "entry", the columns that name a number,
            "value", "ci_low", "ci_high", "n", "n_groups", "reason", "flags".
        paired: the same for every run but the reference, the value a difference to "compared_to",
            with "p" and "p_adjusted".
        left_out: why entries of `evaluate:` could not be compared.
    """

    runs: Sequence[str]
    board: Sequence[Row]
    paired: Sequence[Row] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


def write_comparison(data: ComparisonData, folder: Path) -> None:
    """Write `compare.html` into `folder`; the same data give the same bytes."""
    atomic_write(folder / "compare.html", compare_page(data).encode("utf-8", "replace"))


def compare_page(data: ComparisonData) -> str:
    """Return the page: no script, nothing loaded, every text escaped."""
    return (
        environment()
        .get_template("compare.html")
        .render(
            title=listing([str(name) for name in data.runs]) or "No run",
            runs=data.runs,
            lead=summary(data),
            parts=blocks(data),
            closing=RESEARCH_USE,
        )
    )


def comparison_html(data: ComparisonData) -> str:
    """Return the tables as an HTML fragment, for `_repr_html_` in a notebook."""
    return fragment(blocks(data))


def comparison_text(data: ComparisonData) -> str:
    """Return the tables as aligned plain text, for a terminal."""
    parts = []
    for block in blocks(data):
        if isinstance(block, Numbers):
            lines = [("metric", "run", "value", "95 % interval", "n (groups)", "")]
            lines += [(one.metric if one.first else "", one.model, one.value, one.interval, one.size,
                       one.note) for one in block.panel.lines]  # fmt: skip
            parts.append(f"{block.panel.title}\n{aligned(lines, frozenset({2}))}")
        elif isinstance(block, Table):
            cells = [[cell.replace("\n", " ") for cell in row] for row in block.rows]
            parts.append(f"{block.title}\n{aligned([block.columns, *cells], block.numeric)}")
    parts += [f"not compared: {name}: {why}" for name, why in data.left_out.items()]
    return "\n\n".join(parts)


def summary(data: ComparisonData) -> tuple[str, ...]:
    """Return the first paragraph: what was compared, how many tests, what is left standing."""
    if not data.runs:
        return ("No run was given.",)
    tests = sum(finite(row.get("p")) is not None for row in data.paired)
    clear = [row for row in data.paired if _is_clear(row)]
    asked = len({tuple(str(row.get(name)) for name in _SAME) for row in data.board})
    others = listing([str(name) for name in data.runs[1:]])
    told = (
        f"{count(len(clear))} of them stand after Holm's correction at {LEVEL:g}."
        if clear
        else f"None of them stands after Holm's correction at {LEVEL:g}."
    )
    return (
        f"{others or 'No other run'} against {data.runs[0]}, on {count(asked)} numbers of the same "
        "test rows.",
        f"{count(tests)} differences were tested; {told[0].lower()}{told[1:]}" if tests else
        "No difference was tested.",
    )  # fmt: skip


def blocks(data: ComparisonData) -> list[Block]:
    """Return the parts of the page in order."""
    board: list[Block] = [Numbers(panel) for panel in _panels(data.board)]
    parts: list[Block] = [
        Heading("Leaderboard", "Every run's own number, best first, on the same rows.", "board"),
        *(board or [Missing("numbers that all runs share")]),
        Heading("Paired differences", _PAIRED.format(data.runs[0] if data.runs else ""), "paired"),
    ]
    parts += list(_differences(data.paired)) or [Missing("paired differences")]
    if data.left_out:
        parts.append(Facts(tuple(data.left_out.items()), "Not compared"))
    return parts


_PAIRED = (
    "Each run minus {}: the same rows, the same replicates. p swaps the outcomes of both runs group "
    "by group; Holm's p counts all comparisons of an entry."
)


def _panels(rows: Sequence[Row]) -> Iterable[Panel]:
    """Yield a panel per entry of `evaluate:` and pair of sides, the best run of a number first."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = tuple(str(row.get(name) or "") for name in ("entry", "query", "gallery", "relation"))
        groups.setdefault(key, []).append(row)
    for (entry, _, _, relation), group in groups.items():
        numbers: dict[tuple[str, ...], list[Row]] = {}
        for row in group:
            numbers.setdefault(tuple(str(row.get(name)) for name in _SAME), []).append(row)
        lines: list[Line] = []
        for same in numbers.values():
            ordered = sorted(
                same, key=lambda row: (finite(row.get("rank")) or 1e9, str(row["run"]))
            )
            lines += [drawn_line(_shown(row), first=i == 0) for i, row in enumerate(ordered)]
        about = f"{place({**group[0], 'label': None})}" + (f", {relation}" if relation else "")
        yield Panel(entry or "numbers", about, tuple(lines))


def _shown(row: Row) -> Row:
    """Name the run, and its label and pool beside the metric."""
    beside = [str(row[name]) for name in ("label", "pool") if row.get(name)]
    return {**row, "model": row["run"], "beside": ", ".join(beside), "n_excluded": {}}


def _differences(rows: Sequence[Row]) -> Iterable[Block]:
    """Yield one table per entry, and what a reader should take from it."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(str(row.get("entry") or ""), []).append(row)
    columns = ("number", "run", "difference", "95 % interval", "p", "p (Holm)", "remarks")
    for entry, group in groups.items():
        cells = tuple(
            (_number(row), str(row["run"]), _signed(row),
             interval(row), probability(row.get("p")), probability(row.get("p_adjusted")),
             "; ".join([_verdict(row), str(row.get("reason") or ""),
                        *map(str, row.get("flags") or ())]).strip("; "))
            for row in group
        )  # fmt: skip
        yield Table(entry or "differences", columns, cells, frozenset({2, 3, 4, 5}))
    if rows and not any(_is_clear(row) for row in rows):
        yield Text("No difference stands after correction: the runs are not told apart.", "warn")


def _number(row: Row) -> str:
    where = place({**row, "label": row.get("label")})
    return ", ".join(part for part in (metric_name(row), where, str(row.get("pool") or "")) if part)


def _verdict(row: Row) -> str:
    """Say which of two runs is better, where the difference stands after correction."""
    value = finite(row.get("value"))
    if value is None or finite(row.get("p_adjusted")) is None:
        return ""
    if not _is_clear(row):
        return "not told apart"
    lower = str(row.get("metric", "")).partition("@")[0] in LOWER_IS_BETTER
    return "better" if (value > 0) != lower else "worse"


def _is_clear(row: Row) -> bool:
    p = finite(row.get("p_adjusted"))
    return p is not None and p < LEVEL and finite(row.get("value")) is not None


def _signed(row: Row) -> str:
    value = finite(row.get("value"))
    return number(row.get("value")) if value is None else f"{value:+.3f}"
