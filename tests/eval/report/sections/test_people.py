"""Tests of the tables of subgroups."""

from __future__ import annotations

from example_rows import row, run

from eval.report.blocks import Missing, Table, Text
from eval.report.sections.people import subgroups


def rows() -> list[dict[str, object]]:
    part = {"subgroup": "sex=F", "k": 1}
    return [
        row("subgroups", "accuracy", 0.7, **part),
        row("subgroups", "accuracy_gap", -0.08, compared_to="the rest", p=0.0004, p_adjusted=0.02,
            **part),
        row("subgroups", "accuracy", 0.75, subgroup="site!=A", k=1),
    ]  # fmt: skip


def test_without_subgroups_the_section_says_what_to_add() -> None:
    (block,) = subgroups(run([row("zero_shot", "accuracy", 0.5)]))
    assert isinstance(block, Missing)


def test_a_part_and_its_gap_stand_on_one_line() -> None:
    _, table = subgroups(run(rows()))
    assert isinstance(table, Table)
    assert table.rows[0][:7] == (
        "sex: F", "0.700", "0.650 – 0.750", "-0.080", "-0.130 – -0.030", "< 0.001", "0.020",
    )  # fmt: skip


def test_leaving_a_site_out_is_told_as_such() -> None:
    _, table = subgroups(run(rows()))
    assert isinstance(table, Table)
    assert table.rows[1][0] == "site left out: A"
    assert "everybody else" in table.note


def test_an_undefined_gap_gives_its_reason() -> None:
    gap = row("subgroups", "accuracy_gap", None, subgroup="sex=F", compared_to="the rest",
              reason="the rest has fewer than 20 groups")  # fmt: skip
    _, table = subgroups(run([gap]))
    assert isinstance(table, Table)
    assert table.rows[0][-1] == "the rest has fewer than 20 groups"


def test_parts_too_small_to_show_are_listed() -> None:
    parts = [{"column": "site", "value": "B", "n": 12, "n_groups": 9}]
    blocks = subgroups(run([], extras={"subgroups-ecg": {"suppressed": parts}}))
    table = next(block for block in blocks if isinstance(block, Table))
    assert table.rows == (("site", "B", "12", "9"),)
    assert isinstance(blocks[-1], Text)


def test_controls_have_no_parts() -> None:
    control = row("subgroups", "accuracy", 0.5, subgroup="sex=F", model="control:constant")
    assert isinstance(subgroups(run([control]))[0], Missing)


def test_a_band_keeps_its_sign() -> None:
    _, table = subgroups(run([row("subgroups", "accuracy", 0.7, subgroup="age=>=65")]))
    assert isinstance(table, Table)
    assert table.rows[0][0] == "age: >=65"
