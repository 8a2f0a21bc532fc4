"""Metric rows as readable tables, the same ones in the report and in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.report.drawings import Bar, bar
from eval.report.wording import (
    NOT_DEFINED,
    finite,
    interval,
    is_control,
    metric_name,
    model_name,
    number,
    probability,
    task_name,
)

Row = Mapping[str, Any]

OPEN_ROWS = 18
MOST_OPEN_ROWS = 30
_MAIN = frozenset(
    {
        "balanced_accuracy",
        "accuracy",
        "auroc",
        "auprc",
        "hit",
        "mrr",
        "map",
        "ami",
        "r2",
        "brier",
        "ece",
        "sensitivity",
        "specificity",
        "aurc",
    }
)
SAME_AS_ABOVE = "as above"
_ONCE = "; "
_PLACE = ("task", "query", "gallery", "label", "relation", "rank", "pool", "subgroup", "split")


@dataclass(frozen=True)
class Line:
    """One number, worded; `first` starts a new metric within its panel."""

    metric: str
    model: str
    control: bool
    value: str
    interval: str
    chance: str
    size: str
    note: str
    bar: Bar | None
    first: bool
    defined: bool


@dataclass(frozen=True)
class Panel:
    """The numbers of one task on one query, gallery and split.

    Attributes:
        title, subtitle: what all lines share.
        lines: open on screen; none where there are very many.
        rest: folded on screen.
    """

    title: str
    subtitle: str
    lines: tuple[Line, ...]
    rest: tuple[Line, ...] = ()


def panels(rows: Iterable[Row], together: Sequence[str] = ()) -> tuple[Panel, ...]:
    """Group metric rows by task, query, gallery and split, in order of first appearance.

    Within a panel each metric's trained model stands first and its controls below.

    Args:
        rows: metric rows.
        together: columns, such as "rank", that do not part panels but stand in the metric's name.
    """
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = tuple(str(row.get(name)) for name in _PLACE if name not in together)
        groups.setdefault(key, []).append(_named(row, together) if together else row)
    return tuple(_panel(group) for group in groups.values())


def _named(row: Row, together: Sequence[str]) -> Row:
    """Move some columns of a row into the name of its metric."""
    words = [str(row[name]) for name in together if row.get(name)]
    more = dict.fromkeys(together)
    return {**row, **more, "beside": ", ".join(dict.fromkeys(words))}


def metrics_text(rows: Sequence[Row]) -> str:
    """Return the same tables as aligned plain text, for a terminal."""
    return "\n".join(_panel_text(panel) for panel in panels(rows))


def place(row: Row) -> str:
    """Say what a number is about: "ecg → report", or "ecg, label finding"."""
    query, gallery, label = (str(row.get(key) or "") for key in ("query", "gallery", "label"))
    if gallery and gallery != query:
        query = f"{query} → {gallery}"
    return f"{query}, {label}" if label else query


def _panel(rows: list[Row]) -> Panel:
    ordered = _by_metric(rows)
    common = _common_notes(rows)
    kept = ordered if len(ordered) <= OPEN_ROWS else _main_of(ordered) or ordered
    kept = kept if len(kept) <= MOST_OPEN_ROWS else []
    held = {id(row) for row in kept}
    return Panel(
        title=f"{task_name(rows[0])} · {place(rows[0])}",
        subtitle=" · ".join(part for part in (_subtitle(rows[0]), *common) if part),
        lines=_lines(kept, common),
        rest=_lines([row for row in ordered if id(row) not in held], common),
    )


def _common_notes(rows: list[Row]) -> tuple[str, ...]:
    """Return the remarks that all rows of a panel share, so that they are said once."""
    if len(rows) < 2:
        return ()
    return tuple(part for part in _notes(rows[0]) if all(part in _notes(row) for row in rows))


def _excluded(row: Row) -> str:
    excluded = row.get("n_excluded") or {}
    kept = ", ".join(f"{number(n)} {why}" for why, n in excluded.items() if n)
    return f"left out: {kept}" if kept else ""


def _by_metric(rows: list[Row]) -> list[Row]:
    """Bring the models of one metric together, trained before controls, else as given."""
    metrics = {metric_name(row): None for row in rows}
    place_of = {name: i for i, name in enumerate(metrics)}
    return sorted(rows, key=lambda row: (place_of[metric_name(row)], is_control(row)))


def _main_of(rows: list[Row]) -> list[Row]:
    """Return the rows of the main metrics; of several averages of one, the macro."""
    known = [row for row in rows if _is_main(row)]
    averaged = {str(row.get("metric")) for row in known if row.get("average") == "macro"}
    return [
        row
        for row in known
        if row.get("average") in (None, "macro") or str(row.get("metric")) not in averaged
    ]


def _is_main(row: Row) -> bool:
    """Say whether a metric may speak for its panel; of mAP, the one over the whole ranking."""
    word, _, at = str(row.get("metric", "")).partition("@")
    return word in _MAIN and not (word == "map" and (at or row.get("k") is not None))


def _subtitle(row: Row) -> str:
    parts = [
        f"relation {row['relation']}" if row.get("relation") else "",
        f"gallery of {number(row['gallery_size'])}" if row.get("gallery_size") else "",
        f"rank {row['rank']}" if row.get("rank") else "",
        f"pool {row['pool']}" if row.get("pool") else "",
        f"subgroup {row['subgroup']}" if row.get("subgroup") else "",
        f"{row.get('split')} split" if row.get("split") else "",
        f"prompts {row['prompts']}" if row.get("prompts") else "",
    ]
    return " · ".join(part for part in parts if part)


def _lines(rows: list[Row], said: tuple[str, ...]) -> tuple[Line, ...]:
    """Word rows; a remark already said of the panel, or of the line above, is not said again."""
    made: list[Line] = []
    previous, told = "", set(said)
    for row in rows:
        name, notes = metric_name(row), _notes(row)
        first = name != previous
        told = set(said) if first else told
        fresh = [part for part in notes if part not in told]
        again = SAME_AS_ABOVE if not fresh and not set(notes) <= set(said) else ""
        made.append(_line(row, name, first=first, note=_ONCE.join(fresh) or again))
        previous, told = name, {*said, *notes}
    return tuple(made)


def drawn_line(row: Row, *, first: bool) -> Line:
    """Word one row with its bar and all its remarks."""
    return _line(row, metric_name(row), first=first, note=_ONCE.join(_notes(row)))


def _line(row: Row, name: str, *, first: bool, note: str) -> Line:
    defined = finite(row.get("value")) is not None
    return Line(
        metric=name,
        model=model_name(row),
        control=is_control(row),
        value=number(row["value"]) if defined else NOT_DEFINED,
        interval=interval(row),
        chance=number(row.get("chance")),
        size=_size(row),
        note=note,
        bar=bar(row),
        first=first,
        defined=defined,
    )


def _size(row: Row) -> str:
    n, groups = row.get("n"), row.get("n_groups")
    if not n:
        return "0" if n == 0 else ""
    return f"{number(n)} in {number(groups)}" if groups and groups != n else number(n)


def _notes(row: Row) -> list[str]:
    """Say why a number is missing, what was left out of it, and what to beware of."""
    defined = finite(row.get("value")) is not None
    parts = [
        str(row.get("reason") or ("" if defined else "no reason given")),
        _excluded(row),
        *(str(flag) for flag in row.get("flags") or ()),
        f"p {probability(row['p'])}" if finite(row.get("p")) is not None else "",
    ]
    return list(dict.fromkeys(part for part in parts if part))


def _panel_text(panel: Panel) -> str:
    cells = [("metric", "model", "value", "95 % interval", "chance", "n (groups)", "")]
    cells += [
        (line.metric if line.first else "", line.model, line.value, line.interval, line.chance,
         line.size, line.note)
        for line in (*panel.lines, *panel.rest)
    ]  # fmt: skip
    return f"{panel.title}\n{panel.subtitle}\n{aligned(cells, frozenset({2, 4}))}\n"


def aligned(rows: Sequence[Sequence[str]], numeric: frozenset[int] = frozenset()) -> str:
    """Return rows of cells as columns of plain text, the first row their headings."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i in numeric else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
