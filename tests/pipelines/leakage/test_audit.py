"""Whole audits of the generated cohort: clean as it is, stopped by every leak that is planted."""

import json

import numpy as np
import pyarrow.parquet
import pytest

from pipelines.check import check_plan
from pipelines.plan import make_plan
from pipelines.run import run_plan
from workbench.errors import Refusal
from workbench.record import RunFolder

COLUMNS = ("id", "group", "split", "ecg", "report", "study_id", "ecg_finding")
QUICK = ["pretrain={}", "align.epochs=1", "controls.random_frozen=0", "controls.unaligned=false"]


@pytest.fixture
def cohort(finished):
    """The rows of the generated cohort as lists, by the columns above."""
    rows = json.loads((finished / "cohort" / "cohort.json").read_text())["rows"]
    return [
        [
            r["id"],
            r["group"],
            r["split"],
            r["ecg"] or "",
            r["report"],
            r["id"],
            r["ecg_finding"] or "",
        ]
        for r in rows
    ]


@pytest.fixture
def file(small_file, finished, tmp_path):
    """The small pipeline over a CSV of the cohort that a test writes."""
    text = small_file.read_text().replace(
        "{synthetic: clinic, subjects: 24}", f"{{path: rows.csv, root: {finished / 'cohort'}}}"
    )
    task = "{task: retrieval, query: report, gallery: report, relation: same_text, merge: none}"
    small_file.write_text(text[: text.index("evaluate:")] + f"evaluate: [{task}]\nreplicates: 50\n")

    def write(rows):
        lines = [",".join(COLUMNS), *(",".join(row) for row in rows)]
        (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
        return small_file

    return write


def of(rows, split):
    """Return the first row of a split that has an ECG."""
    return next(row for row in rows if row[3] and row[2] == split)


def nearly_copied(rows, finished):
    """Give a test row the training row's recording, a few samples of it one step away."""
    source = finished / "cohort" / of(rows, "train")[3]
    folder = finished / "cohort" / "near"
    folder.mkdir(exist_ok=True)
    for path in source.parent.iterdir():
        data = path.read_bytes()
        if path.suffix == ".dat":
            samples = np.frombuffer(data, "<i2").copy()
            samples[::50] += 1
            data = samples.tobytes()
        (folder / path.name).write_bytes(data)
    of(rows, "test")[3] = f"near/{source.name}"


def plant(leak, rows, finished):
    train, test = of(rows, "train"), of(rows, "test")
    match leak:
        case "group":
            test[1] = train[1]
        case "study":
            test[5] = train[5] + " "
        case "file":
            test[3] = train[3]
        case "near":
            nearly_copied(rows, finished)
        case "text":
            test[4] = train[4]


def test_the_cohort_as_it_is_has_no_leak(file, cohort):
    told = check_plan(make_plan(file(cohort)))
    assert "nothing found" in told
    assert "nothing was changed" in told


@pytest.mark.parametrize(
    ("leak", "settings", "code"),
    [("group", [], "E-MAN-001"), ("study", [], "E-MAN-002"), ("file", [], "E-MAN-004.*equal ecg"),
     ("near", ["leakage.strict=true"], "E-MAN-004.*near-equal ecg"),
     ("near", ["leakage.near=refuse"], "E-MAN-004.*near-equal ecg"),
     ("text", ["leakage.strict=true"], "E-MAN-004.*equal report")],
)  # fmt: skip
def test_a_planted_leak_stops_the_check(file, cohort, finished, leak, settings, code):
    plant(leak, cohort, finished)
    with pytest.raises(Refusal, match=code):
        check_plan(make_plan(file(cohort), settings))


def test_a_planted_leak_stops_the_run_before_training_and_names_the_pair(
    file, cohort, finished, tmp_path
):
    plant("file", cohort, finished)
    with pytest.raises(Refusal, match=r"E-MAN-004.*1 x equal ecg content in two splits"):
        run_plan(make_plan(file(cohort), QUICK), tmp_path / "leak")
    (pair,) = pyarrow.parquet.read_table(tmp_path / "leak" / "leakage.parquet").to_pylist()
    assert {pair["id_a"], pair["id_b"]} == {of(cohort, "train")[0], of(cohort, "test")[0]}
    assert not (tmp_path / "leak" / "checkpoints").exists()
    assert not (tmp_path / "leak" / "metrics.json").exists()


def test_what_is_flagged_stands_in_the_record_the_table_and_the_report(
    file, cohort, finished, tmp_path
):
    plant("near", cohort, finished)
    tests = [row for row in cohort if row[2] == "test" and row[6]]
    other = next(row for row in tests if row[1] != tests[0][1])
    other[4] = tests[0][4]
    folder = run_plan(make_plan(file(cohort), QUICK), tmp_path / "run").path
    checks = {c["name"]: c for c in RunFolder(folder).record()["leakage"]["checks"]}
    assert checks["near-equal ecg in two splits"]["found"] == 1
    (pair,) = pyarrow.parquet.read_table(folder / "leakage.parquet").to_pylist()
    assert (pair["check"], pair["verdict"]) == ("near-equal ecg in two splits", "flag")
    assert pair["likeness"] > 0.99
    report = (folder / "report.md").read_text()
    assert "1 by near-equal ecg in two splits" in report
    assert "no: starts from random numbers" in report
    assert "2 queries have a copy in the gallery" in report
    rows = json.loads((folder / "metrics.json").read_text())
    assert {"all", "novel"} == {row["pool"] for row in rows}


def test_a_finished_audit_is_not_made_again(finished):
    plan = make_plan(finished.parent / "small.yaml")
    before = (finished / "leakage.parquet").stat().st_mtime_ns
    run_plan(plan, finished)
    assert (finished / "leakage.parquet").stat().st_mtime_ns == before
