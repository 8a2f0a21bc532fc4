"""What the numbers say: metrics, calibration, comparisons, subgroups, sample size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.report.blocks import Block, Heading, Missing, Table, Text
from eval.report.data import ReportData
from eval.report.sections.crosstabs import controls
from eval.report.sections.tasks import CALIBRATION, METRICS, not_asked, pages_of
from eval.report.tables import place
from eval.report.verdicts import all_main_rows
from eval.report.wording import (
    count,
    finite,
    interval,
    listing,
    metric_name,
    model_name,
    number,
    probability,
)

FEW_POSITIVES = 100

Row = Mapping[str, Any]


def metrics(data: ReportData) -> list[Block]:
    """Section 7: a page for every task that no later section holds, then the controls."""
    blocks = pages_of(data, METRICS) or [Missing("classification and probe metrics")]
    beside = list(controls(data.metrics))
    if beside:
        meaning = "What the same numbers are without the training that they should be owed to."
        blocks += [Heading("Controls", meaning, "task-controls"), *beside]
    left = not_asked(data)
    return [*blocks, Text(f"Not asked of this run: {listing(left)}.", "soft")] if left else blocks


def calibration(data: ReportData) -> list[Block]:
    """Section 9."""
    how = "Calibration is measured only for declared probabilities: add the calibration task."
    return pages_of(data, CALIBRATION) or [Missing("calibration", how)]


def comparisons(data: ReportData) -> list[Block]:
    """Section 10: paired differences with raw and Holm-adjusted p."""
    rows = [row for row in data.metrics if row.get("compared_to") and not row.get("subgroup")]
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


def sample_size(data: ReportData) -> list[Block]:
    """Section 15: how wide the intervals are, and what is too small to judge."""
    rows = [row for row in all_main_rows(data.metrics) if finite(row.get("value")) is not None]
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


def _positives(extra: Mapping[str, Any]) -> list[tuple[str, float]]:
    classes, confusion = extra.get("classes") or (), extra.get("confusion") or ()
    return [(str(name), sum(row)) for name, row in zip(classes, confusion, strict=False)]


def _half_width(row: Row) -> str:
    low, high = finite(row.get("ci_low")), finite(row.get("ci_high"))
    return "no interval" if low is None or high is None else number((high - low) / 2)
