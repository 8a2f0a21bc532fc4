"""Tests of the pages of tasks."""

from __future__ import annotations

import pytest
from example_rows import row, run

from eval.report import ReportData
from eval.report.blocks import Figure, Heading, Numbers, Table
from eval.report.page import page
from eval.report.sections import sections
from eval.report.sections.tasks import anchor_of, not_asked, page_of, pages_of, tasks_of

TASKS = ("zero_shot", "probe", "knn", "few_shot", "regression", "cluster", "open_set", "threshold",
         "diagnostics", "retrieval", "taxonomic", "mismatch", "calibration", "robustness")  # fmt: skip


def test_a_run_without_tasks_has_no_page() -> None:
    assert pages_of(run([]), 7) == []
    assert tasks_of(run([])) == []


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_a_page_with_an_anchor_and_a_meaning(task: str) -> None:
    data = run([row(task, "accuracy", 0.5)])
    html = page(data)
    assert f'id="task-{task}"' in html
    assert f'href="#task-{task}"' in html
    assert page_of(task).meaning in html


@pytest.mark.parametrize("task", TASKS)
def test_material_without_numbers_and_numbers_without_material_are_shown(task: str) -> None:
    empty = run([], extras={f"{task}-ecg": {}})
    assert len(sections(empty)) == 18
    assert (
        page(run([row(task, "auroc", None, reason="one class only")])).count("one class only") >= 1
    )


def test_a_task_that_nobody_described_shows_its_numbers_and_confusion() -> None:
    extras = {"invented-ecg": {"classes": ["a", "b"], "confusion": [[1, 0], [0, 1]]}}
    blocks = pages_of(run([row("invented", "accuracy", 0.5)], extras=extras), 7)
    assert [type(block) for block in blocks] == [Heading, Numbers, Figure]


def test_an_anchor_holds_no_markup() -> None:
    assert anchor_of('"><script>') == "task-___script_"


def test_calibration_draws_its_reliability_above_its_numbers() -> None:
    bins = [{"low": 0.0, "high": 1.0, "confidence": 0.6, "accuracy": 0.5, "n": 9}]
    data = run([row("calibration", "ece", 0.1)], extras={"calibration-ecg": {"reliability": bins}})
    kinds = [type(block) for block in pages_of(data, 9)]
    assert kinds == [Heading, Figure, Table, Numbers]


def test_suspicious_pairs_are_capped_and_say_so() -> None:
    suspects = [{"id": str(i), "score": 1.0} for i in range(70)]
    data = run([row("mismatch", "auroc", 0.9)], extras={"mismatch-ecg": {"suspicious": suspects}})
    table = pages_of(data, 8)[-1]
    assert isinstance(table, Table)
    assert len(table.rows) == 50
    assert table.note.startswith("50 of 70")


def test_taxonomic_ranks_and_pools_stand_in_one_table() -> None:
    rows = [row("taxonomic", "accuracy", 0.9 - 0.1 * i, rank=rank, label=rank, pool=pool, k=1,
                average="macro", gallery="dna")
            for rank in ("genus", "species") for i, pool in enumerate(("seen", "unseen"))]  # fmt: skip
    table = pages_of(run(rows), 8)[1]
    assert isinstance(table, Table)
    assert table.columns == ("rank", "seen", "unseen")
    assert [line[0] for line in table.rows] == ["genus", "species"]
    assert table.rows[0][1].startswith("0.900")


def test_what_was_not_asked_is_named() -> None:
    assert "linear probe" in not_asked(run([row("zero_shot", "accuracy", 0.5)]))
    assert "zero-shot" not in not_asked(run([row("zero_shot", "accuracy", 0.5)]))


def test_differences_and_parts_of_the_people_stand_elsewhere() -> None:
    rows = [row("zero_shot", "accuracy", 0.1, compared_to="other"),
            row("zero_shot", "accuracy", 0.1, subgroup="sex=F")]  # fmt: skip
    assert pages_of(run(rows), 7) == []


def test_controls_stand_beside_the_model_in_one_table() -> None:
    control = row("zero_shot", "accuracy", 0.4, k=1, average="macro", model="control:unaligned")
    data: ReportData = run([row("zero_shot", "accuracy", 0.8, k=1, average="macro"), control])
    table = next(b for b in sections(data)[6].blocks if isinstance(b, Table))
    assert table.columns == ("number", "trained", "chance", "unaligned")
    assert [cell.split("\n")[0] for cell in table.rows[0][1:]] == ["0.800", "", "0.400"]
