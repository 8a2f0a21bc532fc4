"""Tests of the metric tables that the report and notebooks share."""

from __future__ import annotations

from typing import Any

from eval.report import metrics_html
from eval.report.tables import metrics_text, panels


def row(**given: Any) -> dict[str, Any]:
    return {"task": "retrieval", "query": "ecg", "gallery": "report", "metric": "hit", "k": 5,
            "model": "trained", "split": "test", "value": 0.25, "chance": 0.05, **given}  # fmt: skip


def test_an_undefined_value_gives_its_reason() -> None:
    for text in (metrics_text([row(value=None, reason="no query")]),
                 metrics_html([row(value=None, reason="no query")])):  # fmt: skip
        assert "not defined" in text
        assert "no query" in text


def test_not_a_number_is_not_defined_and_draws_no_bar() -> None:
    line = panels([row(value=float("nan"))])[0].lines[0]
    assert (line.value, line.bar) == ("not defined", None)


def test_names_are_escaped_in_a_notebook() -> None:
    assert "<script>" not in metrics_html([row(query="<script>")])


def test_the_trained_model_stands_above_its_controls() -> None:
    rows = [row(model="control:constant"), row(), row(k=10, model="control:constant"), row(k=10)]
    lines = panels(rows)[0].lines
    assert [(line.metric, line.model) for line in lines] == [
        ("hit@5", "trained"), ("hit@5", "constant"), ("hit@10", "trained"), ("hit@10", "constant"),
    ]  # fmt: skip


def test_every_direction_is_a_panel_of_its_own() -> None:
    found = panels([row(), row(query="report", gallery="ecg")])
    assert [panel.title for panel in found] == [
        "Retrieval · ecg → report", "Retrieval · report → ecg",
    ]  # fmt: skip


def test_many_numbers_are_folded_and_none_is_lost() -> None:
    rows = [row(metric=name, k=k) for name in ("hit", "recall", "precision") for k in range(1, 13)]
    panel = panels(rows)[0]
    assert panel.rest
    assert len(panel.lines) + len(panel.rest) == len(rows)


def test_a_rank_has_no_bar_because_it_is_no_share() -> None:
    assert (
        panels([row(metric="median_rank", k=None, value=1.0, chance=1.0)])[0].lines[0].bar is None
    )


def test_a_remark_shared_by_all_lines_is_said_once_above_them() -> None:
    rows = [row(metric=name, reason="no interval: 4 groups") for name in ("hit", "mrr")]
    panel = panels(rows)[0]
    assert "no interval: 4 groups" in panel.subtitle
    assert [line.note for line in panel.lines] == ["", ""]


def test_a_remark_said_of_the_line_above_is_not_said_again() -> None:
    rows = [row(flags=["classes: a, b"]), row(model="control:constant", flags=["classes: a, b"]),
            row(metric="mrr", k=None)]  # fmt: skip
    assert [line.note for line in panels(rows)[0].lines] == ["classes: a, b", "as above", ""]


def test_columns_told_together_stand_in_the_name_and_part_no_panel() -> None:
    rows = [row(rank="genus", pool="seen"), row(rank="genus", pool="unseen")]
    (panel,) = panels(rows, ("rank", "pool"))
    assert [line.metric for line in panel.lines] == ["hit@5, genus, seen", "hit@5, genus, unseen"]


def test_very_many_numbers_are_all_folded() -> None:
    rows = [row(metric="hit", k=k, query=None) for k in range(1, 60)]
    panel = panels(rows)[0]
    assert panel.lines == ()
    assert len(panel.rest) == 59


def test_k_is_named_for_what_it_counts() -> None:
    few = panels([row(task="few_shot", metric="accuracy", k=16)])[0].lines[0]
    assert few.metric == "accuracy, 16 shots"


def test_a_remark_is_said_again_when_another_line_stood_between() -> None:
    rows = [row(model=f"control:{i}", reason=why) for i, why in enumerate(("few", "off", "few"))]
    assert [line.note for line in panels(rows)[0].lines] == ["few", "off", "few"]
