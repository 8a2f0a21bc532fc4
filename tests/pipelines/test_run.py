"""Whole runs: identical twice, resumed after kill -9, refused or quarantined where they should be."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import workbench as wb
from pipelines.plan import make_plan
from pipelines.run import run_plan
from workbench.errors import Failure, Refusal

CHECKOUT = Path(__file__).resolve().parents[2]


def command(*words, cwd):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "workbench", *map(str, words)]
    return subprocess.run(
        line, capture_output=True, text=True, cwd=cwd, env=environment, check=False
    )


def test_the_run_directory_holds_what_it_promises(finished):
    expected = {"pipeline.yaml", "record.json", "quarantine.jsonl", "checkpoints", "embeddings",
                "predictions", "metrics.json", "report.html", "report.md", "log.jsonl",
                "leakage.parquet", "croissant.json", "model-card.md"}  # fmt: skip
    assert expected <= {p.name for p in finished.iterdir()}
    assert not (finished / "progress").exists()
    assert not (finished / "run.lock").exists()
    assert not list(finished.rglob("*.tmp"))


def test_flow_numbers_add_up(finished):
    record = json.loads((finished / "record.json").read_text())
    for flow in record["flow"].values():
        assert flow["rows"] == flow["absent"] + flow["present"]
        assert flow["present"] == flow["ok"] + flow["flag"] + flow["quarantine"]
    import pyarrow.parquet

    for key, flow in record["flow"].items():
        table = pyarrow.parquet.read_table(finished / "embeddings" / "trained" / f"{key}.parquet")
        assert len(table) == flow["ok"] + flow["flag"]


def test_metrics_rows_have_chance_interval_and_controls(finished):
    rows = json.loads((finished / "metrics.json").read_text())
    assert {r["model"] for r in rows} == {
        "trained", "control:unaligned", "control:random_frozen", "control:constant",
        "control:text_prior"}  # fmt: skip
    assert {r["task"] for r in rows} == {"zero_shot", "retrieval"}
    assert all(r["n"] > 0 and r["n_groups"] > 0 for r in rows if r["value"] is not None)
    assert all(r["config_digest"] and r["data_digest"] for r in rows)


def test_two_runs_with_one_seed_are_identical(finished, small_file, tmp_path):
    run_plan(make_plan(small_file), tmp_path / "again")
    for name in ("metrics.json", "predictions/extras.json", "croissant.json", "model-card.md"):
        assert (tmp_path / "again" / name).read_bytes() == (finished / name).read_bytes()


def test_a_finished_run_is_not_computed_again(finished, small_file):
    before = {p: p.stat().st_mtime_ns for p in (finished / "checkpoints").rglob("*")}
    run_plan(make_plan(finished.parent / "small.yaml"), finished)
    assert {p: p.stat().st_mtime_ns for p in (finished / "checkpoints").rglob("*")} == before


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["pretrain ecg", "align"])
def test_a_run_killed_in_training_resumes_to_the_same_metrics(
    finished, small_file, tmp_path, stage
):
    out = tmp_path / "killed"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "workbench", "run", str(small_file), "--out", str(out)]
    process = subprocess.Popen(line, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)  # fmt: skip
    log, deadline = out / "log.jsonl", time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if log.is_file() and f'"stage": "{stage}"' in log.read_text():
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "metrics.json").exists()
    again = command("run", small_file, "--out", out, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (out / "metrics.json").read_bytes() == (finished / "metrics.json").read_bytes()


def test_another_configuration_in_the_same_folder_is_refused(finished):
    plan = make_plan(finished.parent / "small.yaml", ["align.epochs=9"])
    with pytest.raises(Refusal, match=r"E-MAN-020.*pipeline\.align\.epochs has 9, expected 2"):
        run_plan(plan, finished)


def table(path, rows):
    path.write_text("id,group,split,ecg,report\n" + "".join(",".join(r) + "\n" for r in rows))


@pytest.fixture
def real(small_file, tmp_path, finished):
    """The small pipeline over a CSV of real files, one row of which a test may spoil."""
    cohort = json.loads((finished / "cohort" / "cohort.json").read_text())["rows"]
    rows = [[r["id"], r["group"], r["split"], r["ecg"] or "", r["report"]] for r in cohort]
    table(tmp_path / "rows.csv", rows)
    text = small_file.read_text().replace(
        "{synthetic: clinic, subjects: 24}", f"{{path: rows.csv, root: {finished / 'cohort'}}}"
    )
    small_file.write_text(text[: text.index("evaluate:")] + "replicates: 50\n")
    return small_file, rows


def spoil(rows, finished, tmp_path):
    """Cut the signal file of the first ECG and return its cell."""
    row = next(r for r in rows if r[3])
    source = finished / "cohort" / row[3]
    folder = finished / "cohort" / "spoilt"
    folder.mkdir(exist_ok=True)
    for file in source.parent.iterdir():
        data = file.read_bytes()
        (folder / file.name).write_bytes(data[:1000] if file.suffix == ".dat" else data)
    row[3] = f"spoilt/{source.name}"
    table(tmp_path / "rows.csv", rows)
    return row[0]


def test_a_truncated_file_stops_the_run_unless_allowed(real, finished, tmp_path):
    file, rows = real
    row_id = spoil(rows, finished, tmp_path)
    with pytest.raises(Failure, match=r"1 of \d+ cells quarantined.*E-ECG"):
        run_plan(make_plan(file), tmp_path / "strict")
    line = json.loads((tmp_path / "strict" / "quarantine.jsonl").read_text())
    assert (line["id"], line["modality"]) == (row_id, "ecg")
    assert all(line[k] for k in ("code", "file", "field", "found", "expected"))


def test_a_quarantined_cell_becomes_an_absent_one(real, finished, tmp_path):
    file, rows = real
    spoil(rows, finished, tmp_path)
    plan = make_plan(file, ["manifest.max_bad=0.1", "pretrain={}", "align.epochs=1"])
    path = run_plan(plan, tmp_path / "lenient").path
    flow = json.loads((path / "record.json").read_text())["flow"]["ecg"]
    assert flow["quarantine"] == 1
    assert (path / "report.html").is_file()


def test_equal_files_in_two_splits_are_refused(real, finished, tmp_path):
    file, rows = real
    train = next(r for r in rows if r[3] and r[2] == "train")
    test = next(r for r in rows if r[3] and r[2] == "test")
    test[3] = train[3]
    table(tmp_path / "rows.csv", rows)
    with pytest.raises(Refusal, match=r"E-MAN-004.*1 x equal ecg content in two splits"):
        run_plan(make_plan(file), tmp_path / "leak")


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--set", "align.epoch=1"], "E-CFG-001"), (["--set", "modalities.ecg.type=egc"], "E-CFG-013"),
     (["--set", "manifest.path=none.csv"], "E-MAN-007"),
     (["--set", "manifest.group=patient"], "E-MAN-014")],
)  # fmt: skip
def test_mistakes_exit_2_with_one_line_and_no_traceback(real, tmp_path, words, code):
    file, _ = real
    done = command("check", file, *words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(code)
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_the_notebook_api_embeds_searches_and_classifies_new_files(finished):
    run = wb.open(finished)
    row = run.space.vectors["ecg"].ids[0]
    cell = run.manifest.column("ecg")[run.manifest.ids.index(row)]
    path = finished / "cohort" / cell
    vectors = run.embed("ecg", [path])
    assert vectors.shape == (1, 8)
    assert abs(vectors[0] @ run.space.vectors["ecg"].values[0] - 1) < 1e-5
    hits = run.search(ecg=path, gallery="report", k=3)
    assert len(hits.items) == 3
    assert hits.items[0]["score"] >= hits.items[2]["score"]
    assert "<img" in hits._repr_html_()
    scores = run.zero_shot(ecg=path, classes={"af": ["atrial fibrillation"], "sr": ["sinus"]})
    assert {i["class"] for i in scores.items} == {"af", "sr"}
    assert abs(sum(i["probability"] for i in scores.items) - 1) < 1e-6
    assert len(run.metrics) > 20
    assert "<table" in run._repr_html_()


def test_an_unfinished_folder_cannot_be_opened(tmp_path):
    with pytest.raises(Refusal, match=r"metrics\.json"):
        wb.open(tmp_path)
