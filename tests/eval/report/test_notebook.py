"""Tests of what a notebook shows."""

from __future__ import annotations

import base64

import pytest

from eval.report import Confusion, Searches

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
ATTACK = "<script>alert(1)</script>"


def test_a_confusion_matrix_reads_as_text_and_as_a_table() -> None:
    shown = Confusion("zero_shot-ecg", ("a", "b"), ((3, 1), (0, 2.5)))
    assert repr(shown).splitlines() == ["zero_shot-ecg", "truth  a  b", "a      3  1",
                                        "b      0  2.50"]  # fmt: skip
    assert shown.table().loc["a", "b"] == 1
    assert "<svg" in shown._repr_html_()


def test_a_large_matrix_is_told_in_one_line_and_shown_as_a_table() -> None:
    names = [f"c{i}" for i in range(40)]
    shown = Confusion("t", names, [[float(i == j) for j in range(40)] for i in range(40)])
    assert repr(shown) == "t: 40 classes, 40 of 40 right"
    assert "<svg" not in shown._repr_html_()
    assert "<table" in shown._repr_html_()


@pytest.fixture
def searches() -> Searches:
    items = [{"id": "r1", "score": 0.75, "relevant": False}, {"id": "r2", "score": 0.5,
                                                              "relevant": True}]  # fmt: skip
    entry = {"query": "e1", "query_modality": "ecg", "gallery_modality": "report", "items": items}
    lost = {**entry, "query": "e2", "items": items[:1]}
    return Searches("retrieval", [entry, lost], {"ecg/e1": PNG})


def test_searches_read_as_text_with_the_rank_that_was_right(searches: Searches) -> None:
    lines = repr(searches).splitlines()
    assert lines[2].split() == ["e1", "rank", "2", "r1", "0.750"]
    assert lines[3].split() == ["e2", "not", "in", "1", "r1", "0.750"]
    assert len(searches) == 2
    assert searches.table()["rank"].tolist() == [1, 2, 1]


def test_searches_show_pictures_and_scores(searches: Searches) -> None:
    html = searches._repr_html_()
    assert html.count("data:image/png;base64,") == 1
    assert "0.750" in html
    assert "found at rank 2" in html


def test_names_are_escaped() -> None:
    entry = {"query": ATTACK, "query_modality": ATTACK, "gallery_modality": ATTACK,
             "items": [{"id": ATTACK, "score": 0.1}]}  # fmt: skip
    for html in (Searches(ATTACK, [entry])._repr_html_(),
                 Confusion(ATTACK, (ATTACK,), ((1.0,),))._repr_html_()):  # fmt: skip
        assert "<script" not in html
