"""Every task of a run on a page of its own: what it asks, its numbers, the drawings it deserves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.report.blocks import Block, Figure, Heading, Numbers, Table, Text
from eval.report.data import ReportData
from eval.report.drawings import Chart, heat
from eval.report.plots import over_coverage, over_k, predicted, reliability, spectrum
from eval.report.sections.crosstabs import by_label, by_rank
from eval.report.tables import panels
from eval.report.wording import count, finite, number, task_name

Row = Mapping[str, Any]
Extra = Mapping[str, Any]
Drawer = Callable[[str, Sequence[Row], Mapping[str, Extra]], Iterable[Block]]

METRICS, RETRIEVAL, CALIBRATION, SUBGROUPS, ROBUSTNESS = 7, 8, 9, 11, 12
MOST_LISTED = 50


@dataclass(frozen=True)
class Page:
    """What a person is told of a task.

    Attributes:
        meaning: what it asks, in one sentence.
        section: the section it stands in.
        first: drawings that stand above its numbers.
        drawings: drawings that stand below its numbers.
        together: columns of its rows that share one panel, where there would be very many.
    """

    meaning: str
    section: int = METRICS
    first: tuple[Drawer, ...] = ()
    drawings: tuple[Drawer, ...] = ()
    together: tuple[str, ...] = ()


def pages_of(data: ReportData, section: int) -> list[Block]:
    """Return the pages of all tasks that stand in a section, in order of the pipeline file."""
    blocks: list[Block] = []
    for task in tasks_of(data):
        if page_of(task).section == section:
            blocks += _page(task, data)
    return blocks


def tasks_of(data: ReportData) -> list[str]:
    """Return the tasks that left numbers or material, in order of first appearance."""
    named = [str(row.get("task") or "") for row in data.metrics]
    return list(dict.fromkeys(name for name in (*named, *map(task_of, data.extras)) if name))


def task_of(key: str) -> str:
    """Return the task of an entry such as "zero_shot-ecg-finding"."""
    return key.partition("-")[0]


def anchor_of(task: str) -> str:
    """Return the id of a task's page; only letters that no markup gives a meaning to."""
    return "task-" + "".join(letter if letter.isalnum() else "_" for letter in task)


def page_of(task: str) -> Page:
    """Return what is told of a task; one that nobody described has its numbers alone."""
    return _PAGES.get(task, Page("", METRICS, (), (_confusions,)))


def not_asked(data: ReportData) -> list[str]:
    """Return the names of the described tasks that this run did not ask."""
    asked = set(tasks_of(data))
    return [task_name({"task": name}).lower() for name in _PAGES if name not in asked]


def _page(task: str, data: ReportData) -> list[Block]:
    """Return one task's heading, numbers and drawings."""
    page = page_of(task)
    rows = [
        row
        for row in data.metrics
        if row.get("task") == task and not row.get("compared_to") and not row.get("subgroup")
    ]
    extras = {key: extra for key, extra in data.extras.items() if task_of(key) == task}
    blocks: list[Block] = []
    for draw in page.first:
        blocks += draw(task, rows, extras)
    blocks += [Numbers(panel) for panel in panels(rows, page.together)]
    for draw in page.drawings:
        blocks += draw(task, rows, extras)
    heading = Heading(task_name({"task": task}), page.meaning, anchor_of(task))
    return [heading, *blocks] if blocks else []


def _figure(drawing: Chart | None, caption: str) -> list[Block]:
    return [] if drawing is None else [Figure(drawing, caption)]


def _confusions(task: str, rows: Sequence[Row], extras: Mapping[str, Extra]) -> Iterable[Block]:
    for key, extra in extras.items():
        classes, confusion = extra.get("classes") or (), extra.get("confusion") or ()
        drawing = heat(classes, confusion)
        if drawing is not None:
            caption = f"Confusion matrix of {key}: rows are the truth, columns the prediction."
            yield Figure(drawing, f"{caption} Colour is the share of the row.")
        elif confusion:
            yield Text(f"The confusion matrix of {key} is too large to draw; see section 13.")


def _reliability(task: str, rows: Sequence[Row], extras: Mapping[str, Extra]) -> Iterable[Block]:
    for key, extra in extras.items():
        bins = extra.get("reliability") or ()
        caption = (
            f"Reliability of {key}: on the diagonal, what is said with 80 % comes true in 80 %."
        )
        yield from _figure(reliability(bins), caption)
        if bins:
            names = ("low", "high", "confidence", "accuracy", "n")
            cells = tuple(tuple(number(part.get(name)) for name in names) for part in bins)
            yield Table(f"Reliability of {key}", names, cells, frozenset(range(5)), folded=True)


def _shots(task: str, rows: Sequence[Row], extras: Mapping[str, Extra]) -> Iterable[Block]:
    for name, drawing in over_k(rows, "shots per class"):
        yield Figure(drawing, f"{name} against shots per class, with 95 % intervals.")


def _risk(task: str, rows: Sequence[Row], extras: Mapping[str, Extra]) -> Iterable[Block]:
    for key, extra in extras.items():
        caption = f"{key}: the most confident answers first, as ever more are given."
        curves = extra.get("risk_coverage") or extra.get("curve") or ()
        yield from _figure(over_coverage(curves), caption)


def _predicted(task: str, rows: Sequence[Row], extras: Mapping[str, Extra]) -> Iterable[Block]:
    for key, extra in extras.items():
        cases = extra.get("predicted") or ()
        drawing = predicted(cases)
        shown = count(sum(len(line.marks) for line in drawing.series)) if drawing else "0"
        yield from _figure(
            drawing, f"{key}: predicted and true values, {shown} of {count(len(cases))} samples."
        )


def _spectrum(task: str, rows: Sequence[Row], extras: Mapping[str, Extra]) -> Iterable[Block]:
    for key, extra in extras.items():
        caption = f"{key}: how the variance spreads over components."
        yield from _figure(spectrum(extra.get("spectrum") or ()), caption)


def _suspects(task: str, rows: Sequence[Row], extras: Mapping[str, Extra]) -> Iterable[Block]:
    for key, extra in extras.items():
        suspects = extra.get("suspicious") or ()
        if suspects:
            names = tuple(dict.fromkeys(str(name) for one in suspects for name in one))[:6]
            cells = tuple(
                tuple(_cell(one.get(name)) for name in names) for one in suspects[:MOST_LISTED]
            )
            note = f"{count(len(cells))} of {count(len(suspects))} listed; for a person to look at."
            title = f"Pairs of {key} that fit together least"
            yield Table(title, names, cells, frozenset(), len(cells) > 12, note)


def _thresholds(task: str, rows: Sequence[Row], extras: Mapping[str, Extra]) -> Iterable[Block]:
    for key, extra in extras.items():
        chosen = extra.get("thresholds") or ()
        if chosen:
            names = ("label", "kind", "value", "rule", "split", "n")
            cells = tuple(tuple(_cell(one.get(name)) for name in names) for one in chosen)
            title = f"Thresholds of {key}, and the split they were chosen on"
            yield Table(title, names, cells, frozenset({2, 5}))


def _labels(task: str, rows: Sequence[Row], extras: Mapping[str, Extra]) -> Iterable[Block]:
    yield from by_label(rows)


def _ranks(task: str, rows: Sequence[Row], extras: Mapping[str, Extra]) -> Iterable[Block]:
    yield from by_rank(rows)


def _cell(value: Any) -> str:
    return number(value) if finite(value) is not None else str("" if value is None else value)


_PAGES: Mapping[str, Page] = {
    "zero_shot": Page("Which class prompt lies nearest, without any training on the label.",
                      drawings=(_confusions,)),
    "probe": Page("What logistic regression on frozen vectors learns from training labels.",
                  drawings=(_confusions,)),
    "knn": Page("What the nearest training items vote for.", drawings=(_confusions,)),
    "few_shot": Page("How much a few labelled groups per class are worth.", first=(_shots,),
                     drawings=(_confusions,), together=("pool",)),
    "regression": Page("How well a number is read from frozen vectors.", drawings=(_predicted,),
                       together=("pool",)),
    "cluster": Page("Whether groups found without labels are the classes.",
                    drawings=(_confusions,)),
    "open_set": Page("Whether what was never shown is noticed, and what abstaining gains.",
                     drawings=(_risk, _thresholds)),
    "threshold": Page("What a score says once it is cut where validation says to cut.",
                      first=(_labels,), drawings=(_thresholds,), together=("label",)),
    "diagnostics": Page("How the vectors lie, without any label.", drawings=(_spectrum,),
                        together=("pool",)),
    "retrieval": Page("Whether the items that belong to a query are found among all others.",
                      RETRIEVAL),
    "taxonomic": Page("Which names the nearest keys bear, for species seen and unseen in training.",
                      RETRIEVAL, first=(_ranks,), together=("rank", "label", "pool", "unit")),
    "mismatch": Page("Whether wrongly attached pairs stand out.", RETRIEVAL,
                     drawings=(_suspects,)),
    "calibration": Page("Whether stated probabilities come true, as often as they say.",
                        CALIBRATION, first=(_reliability,), together=("label", "pool")),
    "subgroups": Page("Whether the numbers hold in every part of the people.", SUBGROUPS),
    "robustness": Page("What corruption of the input costs.", ROBUSTNESS, first=(_shots,)),
}  # fmt: skip
