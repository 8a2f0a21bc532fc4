"""Tests of which numbers speak for a run, and what is warned about."""

from __future__ import annotations

from typing import Any

from eval.report import ReportData
from eval.report.page import page
from eval.report.verdicts import all_main_rows, cards, main_rows, warnings


def row(task: str, metric: str, **given: Any) -> dict[str, Any]:
    return {"task": task, "query": "ecg", "label": "f", "metric": metric, "split": "test",
            "model": "trained", "value": 0.5, "n": 9, "n_groups": 9, **given}  # fmt: skip


def test_a_run_without_zero_shot_or_retrieval_is_judged_by_its_other_tasks() -> None:
    rows = [row("probe", "accuracy", average="macro"), row("cluster", "ami"), row("probe", "f1")]
    assert [one["metric"] for one in main_rows(rows)] == ["accuracy", "ami"]
    assert "Linear probe of ecg, f" in page(ReportData("n", "d", 1, "", metrics=rows))
    assert [line.title for line in cards(rows)[0].headlines] == ["probe, f", "cluster, f"]


def test_other_tasks_come_behind_where_both_were_asked() -> None:
    rows = [row("cluster", "ami"), row("zero_shot", "accuracy", k=1, average="macro")]
    assert [one["task"] for one in main_rows(rows)] == ["zero_shot"]
    assert [one["task"] for one in all_main_rows(rows)] == ["zero_shot", "cluster"]


def test_vectors_of_the_shared_space_speak_for_a_probe() -> None:
    rows = [row("probe", "accuracy", average="macro", pool=pool) for pool in ("features", "values")]
    assert all_main_rows(rows)[0]["pool"] == "values"


def test_most_shots_speak_for_a_few_shot_curve() -> None:
    rows = [row("few_shot", "accuracy", average="macro", k=k, pool="mean, values") for k in (1, 16)]
    assert all_main_rows(rows)[0]["k"] == 16


def test_missing_intervals_are_told_in_one_sentence() -> None:
    rows = [row("zero_shot", "accuracy", k=1, average="macro", query=name, chance=0.2)
            for name in ("ecg", "oct")]  # fmt: skip
    told = [
        text
        for text in warnings(ReportData("n", "d", 1, "", metrics=rows))
        if "no interval" in text
    ]
    assert told == [
        "There is no interval for accuracy@1 (macro) of ecg, f and accuracy@1 (macro) of oct, f."
    ]
