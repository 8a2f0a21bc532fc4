"""Tests of what the notebook API hands back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import workbench as wb
from pipelines.shown import Hits, Metrics, Scores, confusion_of
from workbench.errors import Refusal


def test_an_entry_without_the_material_is_refused_with_those_that_have_it(finished: Path) -> None:
    with pytest.raises(Refusal, match=r"E-CFG-013.*zero_shot-ecg-ecg_finding-test"):
        confusion_of(finished / "predictions", "zero_shot-ecg-ecg_findin-test")


def test_metrics_are_a_table_of_numbers_and_a_frame(finished: Path) -> None:
    metrics = wb.open(finished).metrics
    assert isinstance(metrics, Metrics)
    rows = json.loads((finished / "metrics.json").read_text())
    assert metrics["value"].isna().sum() == sum(row["value"] is None for row in rows)
    assert "Zero-shot" in metrics._repr_html_()
    chosen = metrics[metrics["task"] == "retrieval"]
    assert "Retrieval" in chosen._repr_html_()
    assert "Zero-shot" not in chosen._repr_html_()
    assert "hit@5 (micro)" in repr(chosen)


def test_a_selection_of_columns_is_an_ordinary_frame(finished: Path) -> None:
    some = wb.open(finished).metrics[["metric", "value"]]
    assert "dataframe" in some._repr_html_()
    assert repr(some).splitlines()[0].split() == ["metric", "value"]


def test_a_run_shows_its_confusion_and_its_searches(finished: Path) -> None:
    run = wb.open(finished)
    shown = run.confusion()
    assert len(shown.classes) == 5
    assert "<svg" in shown._repr_html_()
    searches = run.searches()
    assert "data:image/png;base64," in searches._repr_html_()
    assert repr(searches).startswith("retrieval-ecg-report")


def test_hits_read_as_text_without_their_pictures() -> None:
    hits = Hits(
        [{"rank": 1, "id": "r1", "score": 0.5}], {"r1": b"\x89PNG\r\n\x1a\n"}, "ecg a", "report"
    )
    assert repr(hits).splitlines() == ["rank   score  id", "   1  0.5000  r1"]
    assert "data:image/png;base64," in hits._repr_html_()
    assert "<script" not in Hits([{"rank": 1, "id": "<script>", "score": 0.5}], {})._repr_html_()


def test_scores_say_that_they_are_not_calibrated() -> None:
    scores = Scores([{"class": "<b>", "cosine": 0.5, "probability": 0.9}])
    assert scores.best == "<b>"
    assert repr(scores).splitlines()[1].split() == ["<b>", "0.500", "0.900"]
    html = scores._repr_html_()
    assert "not calibrated" in html
    assert "<b>" not in html.split("<tbody>")[1].split("</tbody>")[0]
