"""Tests of the drawings that belong to one kind of task."""

from __future__ import annotations

import pytest

from eval.report.plots import over_coverage, over_k, predicted, reliability, spectrum


@pytest.mark.parametrize("given", [(), [{"confidence": None, "accuracy": 1.0}], [{"n": 3}]])
def test_bins_without_numbers_draw_nothing(given: list[dict[str, float]]) -> None:
    assert reliability(given) is None


@pytest.mark.parametrize("given", ["text", {}, {"a": "text"}, [3, 4], {"a": [None]}])
def test_unknown_shapes_draw_nothing(given: object) -> None:
    assert over_coverage(given) is None


def test_a_perfect_model_lies_on_the_diagonal() -> None:
    bins = [{"confidence": p, "accuracy": p, "n": 5} for p in (0.0, 0.5, 1.0)]
    drawing = reliability(bins)
    assert drawing is not None
    start, end = drawing.diagonal.split(" ")
    placed = drawing.series[0].points.split(" ")
    assert (placed[0], placed[-1]) == (start, end)


def test_empty_bins_are_not_drawn() -> None:
    drawing = reliability([{"confidence": 0.9, "accuracy": 0.8, "n": 4},
                           {"confidence": 0.0, "accuracy": 0.0, "n": 0}])  # fmt: skip
    assert drawing is not None
    assert len(drawing.series[0].marks) == 1


def test_risk_may_come_as_pairs_or_by_name() -> None:
    pairs = over_coverage([(0.5, 0.1), (1.0, 0.2)])
    named = over_coverage({"known": [{"coverage": 0.5, "risk": 0.1}]})
    assert pairs is not None
    assert [line.name for line in pairs.series] == ["all queries"]
    assert named is not None
    assert [line.name for line in named.series] == ["known"]


def test_accuracy_is_drawn_where_no_risk_is_given() -> None:
    drawing = over_coverage([{"coverage": 0.5, "accuracy": 0.9}])
    assert drawing is not None
    assert drawing.y_name == "accuracy"


def shots(pool: str, values: list[float]) -> list[dict[str, object]]:
    return [{"task": "few_shot", "metric": "accuracy", "model": "trained", "pool": pool, "k": 2**i,
             "value": value, "ci_low": value - 0.1, "ci_high": value + 0.1}
            for i, value in enumerate(values)]  # fmt: skip


def test_a_line_per_head_with_an_interval_at_every_shot() -> None:
    rows = [*shots("mean", [0.3, 0.4, 0.5]), *shots("probe", [0.2, 0.4, 0.6])]
    ((name, drawing),) = over_k(rows, "shots")
    assert name == "accuracy"
    assert [line.name for line in drawing.series] == ["mean", "probe"]
    assert all(len(line.whiskers) == 3 for line in drawing.series)
    low, high = drawing.series[0].whiskers[0][1:]
    assert low > high  # upright axes of SVG grow downwards


def test_two_shots_and_controls_make_no_curve() -> None:
    assert list(over_k(shots("mean", [0.3, 0.4]), "shots")) == []
    spread = [{**row, "metric": "accuracy_sd"} for row in shots("mean", [0.3, 0.4, 0.5])]
    assert list(over_k(spread, "shots")) == []
    control = [{**row, "model": "control:constant"} for row in shots("mean", [0.3, 0.4, 0.5])]
    assert list(over_k(control, "shots")) == []


def test_many_samples_are_thinned_and_not_joined() -> None:
    drawing = predicted([{"truth": i, "prediction": i} for i in range(5000)])
    assert drawing is not None
    assert len(drawing.series[0].marks) <= 800
    assert drawing.series[0].points == ""


def test_predicted_and_true_share_one_scale() -> None:
    drawing = predicted([{"truth": 20.0, "prediction": 48.0}, {"truth": 80.0, "prediction": 50.0}])
    assert drawing is not None
    assert [text for _, text in drawing.x_ticks] == [text for _, text in drawing.y_ticks]


def test_a_spectrum_counts_components_from_one() -> None:
    drawing = spectrum({"ecg": [0.5, 0.25]})
    assert drawing is not None
    assert [words for _, _, words in drawing.series[0].marks] == [
        "ecg: 0.500 at 1",
        "ecg: 0.250 at 2",
    ]
