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

OPEN_ROWS = 28
_MAIN = frozenset(
    {"balanced_accuracy", "accuracy", "auroc", "auprc", "hit", "mrr", "map", "ami", "r2"}
)
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
    """The numbers of one task on one query, gallery and split; `rest` is folded on screen."""

    title: str
    subtitle: str
    lines: tuple[Line, ...]
    rest: tuple[Line, ...] = ()


def panels(rows: Iterable[Row]) -> tuple[Panel, ...]:
    """Group metric rows by task, query, gallery and split, in order of first appearance.

    Within a panel each metric's trained model stands first and its controls below.
    """
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(str(row.get(key)) for key in _PLACE), []).append(row)
    return tuple(_panel(group) for group in groups.values())


def metrics_html(rows: Sequence[Row]) -> str:
    """Return an HTML fragment with its own style, for `_repr_html_` in a notebook."""
    from eval.report.page import environment

    return environment().get_template("fragment.html").render(panels=panels(rows))


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
    common = _common_exclusion(rows)
    if common:
        ordered = [{**row, "n_excluded": {}} for row in ordered]
    kept = ordered if len(ordered) <= OPEN_ROWS else [row for row in ordered if _is_main(row)]
    kept = kept or ordered
    held = {id(row) for row in kept}
    return Panel(
        title=f"{task_name(rows[0])} · {place(rows[0])}",
        subtitle=" · ".join(part for part in (_subtitle(rows[0]), common) if part),
        lines=_lines(kept),
        rest=_lines([row for row in ordered if id(row) not in held]),
    )


def _common_exclusion(rows: list[Row]) -> str:
    """Word what all rows of a panel left out alike, so that it is said once."""
    texts = {_excluded(row) for row in rows}
    return texts.pop() if len(texts) == 1 else ""


def _excluded(row: Row) -> str:
    excluded = row.get("n_excluded") or {}
    kept = ", ".join(f"{number(n)} {why}" for why, n in excluded.items() if n)
    return f"left out: {kept}" if kept else ""


def _by_metric(rows: list[Row]) -> list[Row]:
    """Bring the models of one metric together, trained before controls, else as given."""
    metrics = {metric_name(row): None for row in rows}
    place_of = {name: i for i, name in enumerate(metrics)}
    return sorted(rows, key=lambda row: (place_of[metric_name(row)], is_control(row)))


def _is_main(row: Row) -> bool:
    word = str(row.get("metric", "")).partition("@")[0]
    return word in _MAIN and row.get("average") in (None, "macro")


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


def _lines(rows: list[Row]) -> tuple[Line, ...]:
    made: list[Line] = []
    previous = ""
    for row in rows:
        name = metric_name(row)
        made.append(_line(row, name, first=name != previous))
        previous = name
    return tuple(made)


def _line(row: Row, name: str, *, first: bool) -> Line:
    defined = finite(row.get("value")) is not None
    return Line(
        metric=name,
        model=model_name(row),
        control=is_control(row),
        value=number(row["value"]) if defined else NOT_DEFINED,
        interval=interval(row),
        chance=number(row.get("chance")),
        size=_size(row),
        note=_note(row, defined),
        bar=bar(row),
        first=first,
        defined=defined,
    )


def _size(row: Row) -> str:
    n, groups = row.get("n"), row.get("n_groups")
    if not n:
        return "0" if n == 0 else ""
    return f"{number(n)} in {number(groups)}" if groups and groups != n else number(n)


def _note(row: Row, defined: bool) -> str:
    """Say why a number is missing, what was left out of it, and what to beware of."""
    parts = [
        str(row.get("reason") or ("" if defined else "no reason given")),
        _excluded(row),
        *(str(flag) for flag in row.get("flags") or ()),
        f"p {probability(row['p'])}" if finite(row.get("p")) is not None else "",
    ]
    return "; ".join(part for part in parts if part)


def _panel_text(panel: Panel) -> str:
    cells = [("metric", "model", "value", "95 % interval", "chance", "n (groups)", "")]
    cells += [
        (line.metric if line.first else "", line.model, line.value, line.interval, line.chance,
         line.size, line.note)
        for line in (*panel.lines, *panel.rest)
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    table = "\n".join(
        "  ".join(
            cell.rjust(width) if i in (2, 4) else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )
    return f"{panel.title}\n{panel.subtitle}\n{table}\n"
