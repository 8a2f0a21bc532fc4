"""Tests of the tables of label prevalence and shift."""

from __future__ import annotations

import pytest

from eval.report.sections.prevalence import MOST_VALUES, prevalences, shifts


def test_no_label_makes_no_table() -> None:
    assert list(prevalences({})) == []
    assert list(shifts({})) == []
    assert list(shifts({"finding": {"test": {"a": 3}}})) == []


def test_missing_labels_are_shown_last() -> None:
    (table,) = prevalences({"finding": {"test": {"missing": 6, "a": 1, "b": 3}}})
    assert [line[0] for line in table.rows] == ["b", "a", "missing"]
    assert table.rows[0][1] == "3 (0.300)"


def test_many_values_are_capped_and_the_cap_is_stated() -> None:
    (table,) = prevalences({"finding": {"test": {f"v{i:03d}": 1 for i in range(90)}}})
    assert len(table.rows) == MOST_VALUES
    assert "40 most frequent of 90" in table.note


@pytest.mark.parametrize(
    ("test", "distance"),
    [({"a": 5, "b": 5}, "0.000"), ({"c": 4}, "1.000"), ({"a": 3, "b": 1, "missing": 9}, "0.250")],
)
def test_the_distance_of_label_shares_is_total_variation(
    test: dict[str, int], distance: str
) -> None:
    (table,) = shifts({"finding": {"train": {"a": 1, "b": 1}, "test": test}})
    assert table.rows[0][:3] == ("finding", "test", distance)


def test_the_value_that_moved_most_is_named() -> None:
    (table,) = shifts({"f": {"train": {"a": 1, "b": 1}, "test": {"a": 3, "b": 1}}})
    assert table.rows[0][3] == "b -0.250"
