"""What the numbers of a run say: the main result per modality, and what must be warned about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.report.data import ReportData
from eval.report.drawings import Bar, bar
from eval.report.tables import place
from eval.report.wording import (
    LOWER_IS_BETTER,
    finite,
    interval,
    is_control,
    listing,
    metric_name,
    model_name,
    number,
)

Row = Mapping[str, Any]

_CLASSIFIED = (("balanced_accuracy", None), ("accuracy", "macro"), ("auroc", "macro"))
_OTHERS: Mapping[str, tuple[str, ...]] = {
    "probe": ("accuracy", "auroc"), "knn": ("accuracy", "auroc"), "few_shot": ("accuracy",),
    "taxonomic": ("accuracy",), "cluster": ("ami",), "regression": ("r2",),
    "open_set": ("auroc",), "mismatch": ("auroc",),
}  # fmt: skip
_BASELINES = ("random_frozen", "unaligned", "unimodal", "no_image", "text_prior")
_UNJUDGED = ("no interval", "no chance level known")
_SAME = ("task", "query", "gallery", "label", "relation", "metric", "k", "average", "rank", "pool",
         "subgroup", "split", "unit")  # fmt: skip


@dataclass(frozen=True)
class Headline:
    """One main number: what it is, how sure, and how it stands against chance."""

    title: str
    metric: str
    value: str
    interval: str
    chance: str
    size: str
    verdict: str
    good: bool
    bar: Bar | None


@dataclass(frozen=True)
class Card:
    """The main numbers of one query modality: classification first, retrieval below."""

    modality: str
    headlines: tuple[Headline, ...]


def main_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the trained model's main row of every classification and retrieval direction.

    A run that asked neither is judged by the main rows of its other tasks.
    """
    return _picked(rows, _importance) or _picked(rows, _other_importance)


def all_main_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the trained model's main row of every task, asked of every pair."""
    return [*_picked(rows, _importance), *_picked(rows, _other_importance)]


def _picked(rows: Sequence[Row], importance: Callable[[Row], int | None]) -> list[Row]:
    """Return the most important row of every question, in order of first appearance."""
    trained = [
        row
        for row in rows
        if not is_control(row) and not row.get("compared_to") and not row.get("subgroup")
    ]
    chosen: dict[tuple[str, ...], tuple[int, Row]] = {}
    for row in trained:
        order = importance(row)
        key = tuple(
            str(row.get(name)) for name in ("task", "query", "gallery", "label", "relation")
        )
        if order is not None and (key not in chosen or order < chosen[key][0]):
            chosen[key] = (order, row)
    return [row for _, row in chosen.values()]


def cards(rows: Sequence[Row]) -> tuple[Card, ...]:
    """Return one card per query modality, in order of appearance."""
    by_query: dict[str, list[Row]] = {}
    for row in main_rows(rows):
        by_query.setdefault(str(row.get("query")), []).append(row)
    return tuple(
        Card(query, tuple(_headline(row) for row in sorted(group, key=_task_order)))
        for query, group in by_query.items()
    )


def standing(row: Row) -> tuple[str, bool]:
    """Say how a number stands against chance, and whether that is good news."""
    value, chance = finite(row.get("value")), finite(row.get("chance"))
    low, high = finite(row.get("ci_low")), finite(row.get("ci_high"))
    if value is None:
        return "not defined", False
    if chance is None:
        return "no chance level known", False
    if low is None or high is None:
        return "no interval", False
    if _lower(row):
        low, high, chance = -high, -low, -chance
    if low > chance:
        return "better than chance", True
    return ("worse than chance", False) if high < chance else ("not told apart from chance", False)


def warnings(data: ReportData) -> tuple[str, ...]:
    """Return what the first paragraph must warn about, most serious first."""
    leaked = leaks(data.leakage)
    leak = (
        [f"The leakage audit found {listing(leaked)}; numbers below may be too good."]
        if leaked
        else []
    )
    weak = [
        row
        for row in main_rows(data.metrics)
        if not standing(row)[1] and finite(row.get("value")) is not None
    ]
    below = [
        f"{metric_name(row)} of {place(row)} is {standing(row)[0]}."
        for row in weak
        if standing(row)[0] not in _UNJUDGED
    ]
    for words in _UNJUDGED:
        names = [f"{metric_name(row)} of {place(row)}" for row in weak if standing(row)[0] == words]
        below += [f"There is {words} for {listing(names)}."] if names else []
    absent = [] if any(map(is_control, data.metrics)) else ["No control was run beside the model."]
    found = (*leak, *_control_warnings(data.metrics), *below, *absent)
    return tuple(text[:1].upper() + text[1:] for text in found)


def leaks(leakage: Mapping[str, Any]) -> list[str]:
    """Return "3 by near_duplicates" for every check of the audit that found something."""
    counted = ((name, found_count(value)) for name, value in leakage.items())
    return [f"{n:,} by {name.replace('_', ' ')}" for name, n in counted if n]


def found_count(value: Any) -> int:
    """Read how much a check of the audit found, from a count, a list or {"found": ...}."""
    if isinstance(value, Mapping):
        inner = (value.get(key) for key in ("found", "pairs", "count"))
        return max((found_count(item) for item in inner), default=0)
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return int(value is True)
    if isinstance(value, Sequence):
        return len(value)
    return int(finite(value) or 0)


def _control_warnings(rows: Sequence[Row]) -> Iterable[str]:
    """Compare each main number with the controls of the same name."""
    for main in main_rows(rows):
        key = [main.get(name) for name in _SAME]
        same = [row for row in rows if is_control(row) and [row.get(n) for n in _SAME] == key]
        what = f"{metric_name(main)} of {place(main)}"
        losing = [row for row in same if _is_baseline(row) and not _beats(main, row)]
        if losing:
            names = list(dict.fromkeys(model_name(row) for row in losing))
            yield f"{what} does not beat the control {listing(names)} with disjoint intervals."
        for row in same:
            yield from _broken_control(row, what)


def _broken_control(row: Row, what: str) -> Iterable[str]:
    """Say where a control breaks the rule that holds for it by construction."""
    kind = str(row.get("model")).removeprefix("control:")
    value, chance = finite(row.get("value")), finite(row.get("chance"))
    if value is None or chance is None:
        return
    if kind == "constant" and abs(value - chance) > 1e-9:
        yield f"The constant control of {what} differs from chance: the number is not to be trusted."
    if kind == "shuffled_pairs" and standing(row)[0] in {"better than chance", "worse than chance"}:
        yield f"The control trained on shuffled pairs is not at chance on {what}: suspect a leak."


def _is_baseline(row: Row) -> bool:
    return str(row.get("model")).removeprefix("control:").split(":")[0] in _BASELINES


def _beats(row: Row, control: Row) -> bool:
    """Say whether the intervals are disjoint in favour of the model."""
    if finite(control.get("value")) is None:
        return True
    ends = [finite(row.get("ci_low")), finite(row.get("ci_high")),
            finite(control.get("ci_low")), finite(control.get("ci_high"))]  # fmt: skip
    low, high, other_low, other_high = (
        end if end is not None else finite((row, row, control, control)[i].get("value"))
        for i, end in enumerate(ends)
    )
    if low is None or high is None or other_low is None or other_high is None:
        return False
    return high < other_low if _lower(row) else low > other_high


def _headline(row: Row) -> Headline:
    verdict, good = standing(row)
    gallery, relation = row.get("gallery"), row.get("relation")
    title = f"finds {gallery}, {relation}" if relation else f"names {row.get('label') or 'classes'}"
    title = title if row.get("task") in ("zero_shot", "retrieval") else _asks(row)
    value = number(row.get("value")) if finite(row.get("value")) is not None else "not defined"
    n, groups = row.get("n") or 0, row.get("n_groups") or 0
    return Headline(
        title=title.replace("_", " "), metric=metric_name(row), value=value,
        interval=interval(row), chance=number(row.get("chance")),
        size=f"{n:,} queries" + (f", {groups:,} groups" if groups else ""),
        verdict=verdict, good=good, bar=bar(row),
    )  # fmt: skip


def _asks(row: Row) -> str:
    return ", ".join(str(row[key]) for key in ("task", "label", "gallery") if row.get(key))


def _importance(row: Row) -> int | None:
    """Rank the metrics that may stand for a whole task; None for those that may not."""
    if row.get("pool") not in (None, "all") or row.get("rank"):
        return None
    word, k = str(row.get("metric", "")).partition("@")[0], row.get("k")
    if row.get("task") == "zero_shot":
        for i, (metric, average) in enumerate(_CLASSIFIED):
            if word == metric and k in (None, 1) and average in (None, row.get("average")):
                return i
    if row.get("task") == "retrieval" and word in {"hit", "mrr", "map"}:
        if word != "hit":
            return 20
        k = k if isinstance(k, int) else 99
        return abs(k - 5)
    return None


def _other_importance(row: Row) -> int | None:
    """Rank the metrics of all other tasks; vectors of the shared space come before others."""
    if str(row.get("metric")) not in _OTHERS.get(str(row.get("task")), ()):
        return None
    if row.get("average") not in (None, "macro"):
        return None
    pools = (None, "all", "values", "hm")
    pool = row.get("pool")
    k = row["k"] if isinstance(row.get("k"), int) else 0
    k = -k if row.get("task") == "few_shot" else k
    return 1000 * (pools.index(pool) if pool in pools else len(pools)) + k


def _task_order(row: Row) -> int:
    order = ("zero_shot", "retrieval", *_OTHERS)
    return order.index(str(row.get("task")))


def _lower(row: Row) -> bool:
    return str(row.get("metric", "")).partition("@")[0] in LOWER_IS_BETTER
