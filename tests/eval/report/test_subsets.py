"""The table of a fused vector's subsets."""

from __future__ import annotations

from typing import Any

from eval.report import ReportData
from eval.report.markdown import markdown
from eval.report.sections.subsets import subsets


def row(query: str, value: float, **given: Any) -> dict[str, Any]:
    base = {"task": "retrieval", "query": query, "gallery": "report", "relation": "pair",
            "metric": "hit", "k": 1, "split": "test", "model": "trained", "value": value,
            "ci_low": value - 0.05, "ci_high": value + 0.05, "chance": 0.01, "n": 100,
            "n_groups": 90, "n_excluded": {}, "flags": []}  # fmt: skip
    return {**base, **given}


def data(parts: list[dict[str, Any]]) -> ReportData:
    whole = [row("patient", 0.7), row("patient", 0.1, model="control:random_frozen")]
    return ReportData("demo", "abc", 7, "", metrics=whole, subsets=parts)


def test_without_subsets_there_is_no_table() -> None:
    assert subsets(data([])) == []


def test_subsets_stand_before_the_whole_and_controls_are_left_out() -> None:
    _, table = subsets(
        data([row("patient@xray", 0.5, n=80), row("patient@xray+ecg", 0.8, n=60)])
    )  # fmt: skip
    assert table.columns[:2] == ("made of", "hit@1")
    assert [line[0] for line in table.rows] == ["xray", "xray + ecg", "whatever is present"]
    assert [line[1] for line in table.rows] == ["0.500", "0.800", "0.700"]
    assert [line[4] for line in table.rows] == ["80", "60", "100"]
    assert "patient → report" in table.title


def test_directions_have_tables_of_their_own() -> None:
    back = row("report", 0.4, gallery="patient@ecg")
    blocks = subsets(data([row("patient@ecg", 0.5), back]))
    assert len(blocks) == 3
    assert blocks[2].rows[0][0] == "ecg"
    assert "report → patient" in blocks[2].title


def test_the_report_prints_the_table_and_no_panel_per_subset() -> None:
    text = markdown(data([row("patient@xray", 0.5)]))
    assert "by what it is made of" in text
    assert "patient@xray" not in text
