"""Tests of the page that sets several runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from eval.report.compare_page import (
    ComparisonData,
    compare_page,
    comparison_html,
    comparison_text,
    summary,
    write_comparison,
)


def line(run: str, value: float | None, **given: Any) -> dict[str, Any]:
    row = {"entry": "zero_shot-ecg", "run": run, "query": "ecg", "gallery": "report",
           "relation": None, "label": "finding", "metric": "accuracy", "k": 1, "average": "macro",
           "pool": None, "value": value, "ci_low": None, "ci_high": None, "n": 80, "n_groups": 40,
           "reason": None, "flags": []}  # fmt: skip
    return {**row, **given}


def two(p: float, value: float = 0.1, **given: Any) -> ComparisonData:
    board = [line("old", 0.6, rank=2), line("new", 0.7, rank=1)]
    paired = [line("new", value, compared_to="old", p=p / 2, p_adjusted=p, **given)]
    return ComparisonData(("old", "new"), board, paired)


def test_no_run_at_all_still_makes_a_page() -> None:
    html = compare_page(ComparisonData((), ()))
    assert "No run was given." in html
    assert html.count("not provided") == 2


@pytest.mark.parametrize("attack", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_no_name_becomes_markup(attack: str) -> None:
    board = [line(attack, 0.5, entry=attack, label=attack, reason=attack, flags=[attack])]
    paired = [line(attack, 0.1, entry=attack, compared_to=attack, p=0.5, p_adjusted=1.0)]
    data = ComparisonData((attack, attack), board, paired, {attack: attack})
    for html in (compare_page(data), comparison_html(data)):
        assert "<script" not in html
        assert "<img" not in html


def test_the_best_run_stands_first() -> None:
    text = comparison_text(two(0.5))
    assert text.index("new ") < text.index("old ")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (two(0.01), "better"),
        (two(0.01, -0.1), "worse"),
        (two(0.01, -0.1, metric="brier"), "better"),
        (two(0.06), "not told apart"),
    ],
)
def test_a_verdict_stands_only_after_correction(data: ComparisonData, word: str) -> None:
    last = comparison_text(data).splitlines()[-1]
    assert last.endswith(word)


def test_an_undefined_difference_gives_its_reason_and_no_verdict() -> None:
    data = two(0.5)
    lost = line("new", None, compared_to="old", p=None, p_adjusted=None, reason="no query")
    text = comparison_text(ComparisonData(data.runs, data.board, [lost]))
    assert text.endswith("no query")


def test_the_first_paragraph_counts_what_is_left_standing() -> None:
    assert "1 differences were tested; 1 of them stand" in " ".join(summary(two(0.01)))
    assert "none of them stands" in " ".join(summary(two(0.9)))
    assert "the runs are not told apart" in compare_page(two(0.9))


def test_raw_and_adjusted_p_stand_side_by_side() -> None:
    html = compare_page(two(0.04))
    assert "0.020" in html
    assert "0.040" in html


def test_what_could_not_be_compared_is_listed() -> None:
    data = ComparisonData(("old", "new"), two(0.5).board, (), {"probe-ecg": "only one run has it"})
    assert "only one run has it" in compare_page(data)
    assert "only one run has it" in comparison_text(data)


def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_comparison(two(0.01), tmp_path / name)
    first, second = (tmp_path / name / "compare.html" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
