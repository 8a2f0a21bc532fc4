"""Tests of the metric tables that the report and notebooks share."""

from __future__ import annotations

from typing import Any

from eval.report.tables import metrics_html, metrics_text, panels


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
