"""Tests of the failure analysis."""

from __future__ import annotations

from example_rows import run

from eval.report.blocks import Missing, Table
from eval.report.sections.failures import failure_analysis


def tables(**extra: object) -> dict[str, Table]:
    blocks = failure_analysis(run([], extras={"t": extra}))
    return {block.title: block for block in blocks if isinstance(block, Table)}


def test_without_single_samples_the_section_says_so() -> None:
    (block,) = failure_analysis(run([]))
    assert isinstance(block, Missing)


def test_cases_of_unknown_kind_are_left_alone() -> None:
    assert tables(cases={"invented": [{"id": "1"}], "confident": []}) == {}


def test_each_kind_of_case_has_a_table_that_explains_its_number() -> None:
    case = {
        "id": "1",
        "truth": "a",
        "prediction": "b",
        "lead": 0.25,
        "behind": 0.5,
        "truth_rank": 2,
    }
    search = {"id": "2", "search": "ecg → report", "rank": 3.0, "of": 90}
    far = {"id": "3", "truth": 10.0, "prediction": 12.5, "distance": 2.5}
    found = tables(cases={"confident": [case], "near_misses": [case], "by_class": [case],
                          "near_found": [search], "lost": [search], "far": [far]})  # fmt: skip
    assert len(found) == 6
    assert all(table.note for table in found.values())
    assert found["Surest errors of t"].rows == (("1", "a", "b", "0.250"),)
    assert found["Worst errors of each class of t"].rows == (("a", "1", "b", "2", "0.500"),)
    assert found["Searches that lost furthest of t"].rows == (("2", "ecg → report", "3", "90"),)
    assert found["Numbers missed by most of t"].rows == (("3", "10", "12.5", "2.500"),)


def test_the_most_confused_classes_stand_first() -> None:
    found = tables(classes=["a", "b", "c"], confusion=[[5, 1, 0], [3, 5, 0], [0, 0, 4]])
    assert [line[:3] for line in found["Most confused classes of t"].rows] == [
        ("b", "a", "3"), ("a", "b", "1"),
    ]  # fmt: skip
