"""Tests of the single samples that a failure analysis picks out."""

from __future__ import annotations

from typing import Any

from eval.report.cases import MOST, cases_of_classes, cases_of_numbers, cases_of_searches

CLASSES = ("a", "b", "c")
BATCH: dict[str, list[Any]] = {
    "id": ["1", "2", "3", "4"],
    "label": ["a", "a", "b", "c"],
    "prediction": ["a", "b", "c", "a"],
    "scores": [[0.9, 0.1, 0.0], [0.5, 0.6, 0.1], [0.1, 0.2, 0.9], [0.8, 0.75, 0.1]],
}


def test_predictions_without_scores_give_no_case() -> None:
    assert cases_of_classes([{"id": ["1"], "label": ["a"]}], CLASSES) == {}
    assert cases_of_searches([{"id": ["1"]}]) == {}


def test_scores_of_other_classes_are_left_alone() -> None:
    assert cases_of_classes([{**BATCH, "scores": [[0.1, 0.9]] * 4}], CLASSES) == {}
    assert cases_of_classes([{**BATCH, "label": ["a|b"] * 4}], CLASSES) == {}


def test_errors_are_told_by_how_sure_and_how_near_they_were() -> None:
    found = cases_of_classes([BATCH], CLASSES)
    assert [case["id"] for case in found["confident"]] == ["3", "2", "4"]
    assert [case["id"] for case in found["near_misses"]] == ["2", "3"]
    assert [round(case["behind"], 6) for case in found["near_misses"]] == [0.1, 0.7]
    assert [(case["truth"], case["id"]) for case in found["by_class"]] == [
        ("a", "2"), ("b", "3"), ("c", "4"),
    ]  # fmt: skip
    assert next(c for c in found["by_class"] if c["id"] == "4")["truth_rank"] == 3


def test_batches_change_nothing() -> None:
    parts = [{name: column[i : i + 1] for name, column in BATCH.items()} for i in range(4)]
    assert cases_of_classes(parts, CLASSES) == cases_of_classes([BATCH], CLASSES)


def test_the_kind_of_vector_chooses_the_columns() -> None:
    batch = {"id": BATCH["id"], "label": BATCH["label"], "scores_values": BATCH["scores"],
             "prediction_values": BATCH["prediction"]}  # fmt: skip
    assert cases_of_classes([batch], CLASSES, kind="values") == cases_of_classes([BATCH], CLASSES)


def test_searches_part_into_nearly_found_and_lost() -> None:
    batch = {"id": ["1", "2", "3", "4"], "query": ["ecg"] * 4, "gallery": ["report"] * 4,
             "first_rank": [1.0, 2.0, 40.0, None], "gallery_size": [90] * 4}  # fmt: skip
    found = cases_of_searches([batch])
    assert [(case["id"], case["rank"]) for case in found["near_found"]] == [("2", 2.0)]
    assert found["lost"] == [{"id": "3", "search": "ecg → report", "rank": 40.0, "of": 90}]


def test_no_more_than_the_stated_number_is_kept() -> None:
    many = {name: column * 50 for name, column in BATCH.items()}
    assert len(cases_of_classes([many], CLASSES)["confident"]) == MOST


def test_numbers_missed_by_most_stand_first_and_labels_are_no_numbers() -> None:
    batch = {
        "id": ["1", "2", "3"],
        "label": [10.0, 20.0, None],
        "prediction_values": [12.0, 50.0, 1.0],
    }
    found = cases_of_numbers([batch], kind="values")
    assert [(case["id"], case["distance"]) for case in found["far"]] == [("2", 30.0), ("1", 2.0)]
    assert len(found["predicted"]) == 2
    assert cases_of_numbers([{**batch, "label": ["a", "b", "c"]}], kind="values") == {}
    assert cases_of_numbers([batch]) == {}
