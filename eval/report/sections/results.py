"""What the numbers say: metrics, calibration, comparisons, subgroups, sample size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eval.report.blocks import Block, Figure, Missing, Numbers, Table, Text
from eval.report.data import ReportData
from eval.report.drawings import heat
from eval.report.tables import panels, place
from eval.report.verdicts import main_rows
from eval.report.wording import (
    count,
    finite,
    interval,
    metric_name,
    model_name,
    number,
    probability,
)

FEW_POSITIVES = 100
ELSEWHERE = frozenset({"retrieval", "taxonomic", "calibration", "robustness", "mismatch"})

Row = Mapping[str, Any]


def metrics(data: ReportData) -> list[Block]:
    """Section 7: every number that no later section holds, then the confusion matrices."""
    rows = [row for row in plain(data.metrics) if row.get("task") not in ELSEWHERE]
    blocks = numbers_of(rows) or [Missing("classification and probe metrics")]
    return [*blocks, *_confusions(data.extras)]


def calibration(data: ReportData) -> list[Block]:
    """Section 9."""
    blocks = numbers_of([row for row in data.metrics if row.get("task") == "calibration"])
    for key, extra in data.extras.items():
        bins = extra.get("reliability") or ()
        if bins:
            names = ("low", "high", "confidence", "accuracy", "n")
            rows = tuple(tuple(number(part.get(name)) for name in names) for part in bins)
            blocks.append(Table(f"Reliability of {key}", names, rows, frozenset(range(5))))
    how = "Calibration is measured only for declared probabilities: add the calibration task."
    return blocks or [Missing("calibration", how)]


def comparisons(data: ReportData) -> list[Block]:
    """Section 10: paired differences with raw and Holm-adjusted p."""
    rows = [row for row in data.metrics if row.get("compared_to")]
    if not rows:
        return [
            Missing("paired comparisons", "Controls stand beside the model in section 7 and 8.")
        ]
    cells = tuple(
        (f"{metric_name(row)}, {place(row)}", model_name(row), str(row["compared_to"]),
         number(row.get("value")), interval(row), probability(row.get("p")),
         probability(row.get("p_adjusted")))
        for row in rows
    )  # fmt: skip
    columns = ("metric", "model", "minus", "difference", "95 % interval", "p", "p (Holm)")
    tested = sum(finite(row.get("p")) is not None for row in rows)
    return [
        Text(
            f"{count(tested)} tests were made. Differences are paired: same rows, same replicates."
        ),
        Table("Paired differences", columns, cells, frozenset({3, 4, 5, 6})),
    ]


def subgroups(data: ReportData) -> list[Block]:
    """Section 11."""
    rows = [row for row in data.metrics if row.get("subgroup") and not row.get("compared_to")]
    return numbers_of(rows) or [Missing("subgroup results", "Name subgroup columns in the task.")]


def sample_size(data: ReportData) -> list[Block]:
    """Section 15: how wide the intervals are, and what is too small to judge."""
    rows = [row for row in main_rows(data.metrics) if finite(row.get("value")) is not None]
    if not rows:
        return [Missing("half widths of intervals")]
    cells = tuple(
        (f"{metric_name(row)}, {place(row)}", number(row["value"]), _half_width(row),
         count(row.get("n")), count(row.get("n_groups")), ", ".join(map(str, row.get("flags") or ())))
        for row in rows
    )  # fmt: skip
    columns = ("metric", "value", "± half width", "queries", "groups", "remarks")
    blocks: list[Block] = [Table("Precision", columns, cells, frozenset({1, 2, 3, 4}))]
    small = [
        f"{name} ({count(total)})"
        for extra in data.extras.values()
        for name, total in _positives(extra)
        if total < FEW_POSITIVES
    ]
    if small:
        text = f"Fewer than {FEW_POSITIVES} positives: {', '.join(dict.fromkeys(small))}."
        blocks.append(Text(text + " Read their numbers with care.", "warn"))
    return blocks


def plain(rows: Iterable[Row]) -> list[Row]:
    """Leave out differences and subgroups, which have sections of their own."""
    return [row for row in rows if not row.get("compared_to") and not row.get("subgroup")]


def numbers_of(rows: Sequence[Row]) -> list[Block]:
    """Return one block per panel of metric rows."""
    return [Numbers(panel) for panel in panels(rows)]


def _confusions(extras: Mapping[str, Mapping[str, Any]]) -> Iterable[Block]:
    for key, extra in extras.items():
        classes, confusion = extra.get("classes") or (), extra.get("confusion") or ()
        drawing = heat(classes, confusion)
        if drawing is not None:
            caption = f"Confusion matrix of {key}: rows are the truth, columns the prediction."
            yield Figure(drawing, f"{caption} Colour is the share of the row.")
        elif confusion:
            yield Text(f"The confusion matrix of {key} is too large to draw; see section 13.")


def _positives(extra: Mapping[str, Any]) -> list[tuple[str, float]]:
    classes, confusion = extra.get("classes") or (), extra.get("confusion") or ()
    return [(str(name), sum(row)) for name, row in zip(classes, confusion, strict=False)]


def _half_width(row: Row) -> str:
    low, high = finite(row.get("ci_low")), finite(row.get("ci_high"))
    return "no interval" if low is None or high is None else number((high - low) / 2)
