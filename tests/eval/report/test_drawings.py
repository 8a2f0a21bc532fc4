"""Tests of the geometry of drawings."""

from __future__ import annotations

import math

import pytest

from eval.report.drawings import CHART_HEIGHT, CHART_WIDTH, Frame, chart, heat, ticks


def test_nothing_finite_draws_nothing() -> None:
    assert chart("t", {"a": [(0.0, math.nan)]}, x_name="x") is None
    assert chart("t", {}, x_name="x") is None


@pytest.mark.parametrize("confusion", [[], [[1.0]], [[1.0, 2.0], [3.0]]])
def test_a_ragged_matrix_is_not_drawn(confusion: list[list[float]]) -> None:
    assert heat(("a", "b"), confusion) is None


def test_ticks_of_one_value_surround_it() -> None:
    found = ticks(3.0, 3.0)
    assert found[0] <= 2.5
    assert found[-1] >= 3.5


def test_every_mark_and_whisker_lies_inside_the_drawing() -> None:
    points = [(1.0, 0.2), (16.0, 0.9)]
    drawing = chart("t", {"a": points}, x_name="x", whiskers={"a": [(1.0, -0.5, 0.3)]})
    assert drawing is not None
    series = drawing.series[0]
    assert all(0 <= x <= CHART_WIDTH and 0 <= y <= CHART_HEIGHT for x, y, _ in series.marks)
    assert all(0 <= end <= CHART_HEIGHT for _, *ends in series.whiskers for end in ends)


def test_a_frame_fixes_the_axes() -> None:
    frame = Frame("y", (0.0, 1.0), (0.0, 1.0), diagonal=True)
    drawing = chart("t", {"a": [(0.4, 0.5)]}, x_name="x", frame=frame)
    assert drawing is not None
    assert [text for _, text in drawing.x_ticks] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert drawing.diagonal


def test_a_matrix_leaves_room_for_its_slanted_names() -> None:
    short, long = heat(("a", "b"), [[1, 0], [0, 1]]), heat(("a", "b" * 30), [[1, 0], [0, 1]])
    assert short is not None
    assert long is not None
    assert long.right > short.right
