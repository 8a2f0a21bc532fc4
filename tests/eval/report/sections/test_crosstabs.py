"""Tests of metric rows laid out as cross tables."""

from __future__ import annotations

from example_rows import row

from eval.report.sections.crosstabs import MOST_COLUMNS, by_label, by_rank, controls


def test_nothing_to_cross_makes_no_table() -> None:
    assert list(by_rank([row("taxonomic", "accuracy", 0.5)])) == []
    assert list(by_label([row("threshold", "ppv", 0.5)])) == []
    assert list(controls([row("zero_shot", "accuracy", 0.5, k=1, average="macro")])) == []


def test_too_many_columns_make_no_table() -> None:
    rows = [row("taxonomic", "accuracy", 0.5, rank="genus", pool=f"p{i}")
            for i in range(MOST_COLUMNS + 1)]  # fmt: skip
    assert list(by_rank(rows)) == []


def test_only_the_smallest_k_of_the_trained_model_is_crossed() -> None:
    rows = [row("taxonomic", "accuracy", 0.1 * k, rank="genus", pool="seen", k=k) for k in (1, 3)]
    rows.append(row("taxonomic", "accuracy", 0.9, rank="genus", pool="seen", k=1,
                    model="control:constant"))  # fmt: skip
    (table,) = by_rank(rows)
    assert table.title.endswith("accuracy at 1")
    assert table.rows == (("genus", "0.100\n0.050 – 0.150"),)


def test_an_undefined_number_says_so_and_an_absent_one_is_blank() -> None:
    rows = [row("threshold", "ppv", None, label="a"), row("threshold", "npv", 0.5, label="b")]
    (table,) = by_label(rows)
    assert table.columns == ("label", "PPV", "NPV")
    assert table.rows[0] == ("a", "not defined", "")
    assert table.rows[1][1] == ""


def test_a_control_stands_beside_the_same_number_only() -> None:
    same = {"k": 1, "average": "macro", "label": "f"}
    rows = [row("zero_shot", "accuracy", 0.8, **same),
            row("zero_shot", "accuracy", 0.4, model="control:constant", **same),
            row("zero_shot", "accuracy", 0.3, model="control:constant", **{**same, "k": 5}),
            row("probe", "accuracy", 0.7, **same)]  # fmt: skip
    (table,) = controls(rows)
    assert [line[3].split("\n")[0] for line in table.rows] == ["0.400", ""]


def test_values_restated_for_other_prevalences_have_a_table_of_their_own() -> None:
    rows = [row("threshold", name, 0.5, label="a") for name in ("ppv", "npv", "ppv_at_0.01")]
    own, restated = by_label(rows)
    assert own.columns == ("label", "PPV", "NPV")
    assert restated.columns == ("label", "PPV at 0.01")
