"""Section 12: how the numbers move with the wording of prompts, corruption and absence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eval.report.blocks import Block, Facts, Missing, Table, Text
from eval.report.data import ReportData
from eval.report.sections.cohort import numbers
from eval.report.sections.model import flat
from eval.report.sections.subsets import subsets
from eval.report.sections.tasks import ROBUSTNESS, pages_of
from eval.report.wording import finite, number


def robustness(data: ReportData) -> list[Block]:
    """Return robustness metrics, the prompt range, and what the author adds."""
    blocks = [*pages_of(data, ROBUSTNESS), *subsets(data)]
    blocks = blocks or [Missing("corruption ladder, missing modalities and attack dose")]
    prompts = list(_sensitivities(data.extras))
    blocks += prompts or [Missing("prompt sensitivity")]
    if data.card.get("robustness"):
        blocks.append(Facts((("The author's account", data.card["robustness"]),)))
    return blocks


def _sensitivities(extras: Mapping[str, Mapping[str, Any]]) -> Iterable[Block]:
    for key, extra in extras.items():
        given = extra.get("sensitivity")
        if isinstance(given, Mapping) and given:
            yield _table(key, given)
            values = list(_numbers(given))
            if len(values) > 1:
                span = f"{number(min(values))} to {number(max(values))}"
                yield Text(
                    f"Wording alone moves {key} from {span}: a difference between models "
                    "smaller than that is not evidence."
                )


def _table(key: str, given: Mapping[str, Any]) -> Table:
    """Show one row per variation; nested values become columns when all rows share them."""
    inner = [value for value in given.values() if isinstance(value, Mapping)]
    columns = sorted(dict.fromkeys(str(name) for value in inner for name in value), key=_order)
    title = f"Prompt sensitivity of {key}"
    if len(inner) == len(given) and len(columns) <= 6:
        rows = tuple(
            (str(name), *(_cell(value.get(column)) for column in columns))
            for name, value in given.items()
        )
        return Table(
            title, ("variation", *columns), rows, numbers(len(columns) + 1), len(rows) > 15
        )
    rows = tuple((str(name), _cell(value)) for name, value in given.items())
    return Table(title, ("variation", "value"), rows, numbers(2), len(rows) > 15)


def _order(name: str) -> int:
    """Put what spans a range in the order of its size, and leave everything else behind it."""
    order = ("min", "median", "mean", "max")
    return order.index(name) if name in order else len(order)


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_cell(inner) for inner in value)
    return number(value) if finite(value) is not None else flat(value)


def _numbers(value: Any) -> Iterable[float]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _numbers(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _numbers(inner)
    elif isinstance(value, float) and finite(value) is not None:
        yield value
