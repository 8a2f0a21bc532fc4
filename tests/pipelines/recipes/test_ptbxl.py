"""The ptbxl recipe: refused without data, whole on a miniature and on a slice of the real set."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from modalities.ecg.synth import write_finding
from pipelines.plan import make_plan
from pipelines.rows import manifest_of
from workbench.errors import Refusal

QUICK = ["modalities.ecg.encoder.options.width=16", "modalities.ecg.options.seconds=4"]
COLUMNS = ("ecg_id", "patient_id", "age", "sex", "report", "scp_codes", "strat_fold",
           "filename_lr", "filename_hr")  # fmt: skip
CASES = {
    "NORM": ("sinus rhythm", "sinusrhythmus normales ekg"),
    "IMI": ("ST elevation myocardial infarction", "inferiorer infarkt"),
    "CLBBB": ("left bundle branch block", "linksschenkelblock"),
}
# fewer characters than a file name may have, more bytes
LONG = "ä " * 120


def miniature(root: Path) -> Path:
    """Write 30 records in PTB-XL's layout: three superclasses over folds 1 to 10."""
    (root / "records100").mkdir()
    rng, lines = np.random.default_rng(0), []
    for number in range(30):
        code = list(CASES)[number % 3]
        finding, report = CASES[code]
        head = write_finding(finding, rng, root / "records100").removesuffix(".hea")
        fold = number // 3 + 1
        lines.append((number, number, 50, number % 2, LONG if number == 0 else report,
                      f"{{'{code}': 100.0}}", fold, f"records100/{head}", ""))  # fmt: skip
    with (root / "ptbxl_database.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([COLUMNS, *lines])
    (root / "scp_statements.csv").write_text(
        ",diagnostic,rhythm,diagnostic_class\nNORM,1.0,,NORM\nIMI,1.0,,MI\nCLBBB,1.0,,CD\n"
    )
    return root


def test_without_the_data_folder_the_message_says_what_to_give() -> None:
    with pytest.raises(Refusal, match=r"needs root: .*--set manifest\.root=FOLDER"):
        make_plan("ptbxl")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    plan = make_plan("ptbxl", [f"manifest.root={tmp_path}"])
    with pytest.raises(Refusal, match=r"E-MAN-101 .*csv"):
        manifest_of(plan, tmp_path)


def test_the_recipe_runs_on_a_miniature(tmp_path, run_recipe, trained):  # type: ignore[no-untyped-def]
    sets = [*QUICK, *(f"evaluate.{i}.min_positives=1" for i in (0, 2))]
    run = run_recipe("ptbxl", miniature(tmp_path), sets)
    record = json.loads((run / "record.json").read_text())
    assert {k: v["rows"] for k, v in record["splits"].items()} == {"train": 24, "val": 3, "test": 3}
    rows = trained(run)
    assert {r["task"] for r in rows} == {"zero_shot", "retrieval", "probe"}
    macro = next(r for r in rows if r["task"] == "zero_shot" and r["metric"] == "auroc")
    assert macro["n"] == 3
    assert (run / "report.html").is_file()


def test_a_slice_of_the_real_set_keeps_the_official_folds(sample_data, run_recipe, trained):  # type: ignore[no-untyped-def]
    root = sample_data("ecg/ptbxl-biolabsel")
    run = run_recipe("ptbxl", root, [*QUICK, "evaluate.0.min_positives=1"], limit=80)
    with (root / "ptbxl_database.csv").open(encoding="utf-8", newline="") as file:
        fold = {row["ecg_id"]: int(row["strat_fold"]) for row in csv.DictReader(file)}
    import pyarrow.parquet as pq

    predictions = pq.read_table(run / "predictions" / "zero_shot-ecg-superclass-test.parquet")
    ids = predictions.column("id").to_pylist()
    assert ids
    assert {fold[i] for i in ids} == {10}
    assert not (run / "quarantine.jsonl").read_text()
    # many reports are the same sentence: one gallery entry, and every equal one counts as found
    sizes = [r for r in trained(run) if r["task"] == "retrieval" and r["gallery"] == "report"]
    assert sizes[0]["gallery_size"] < sizes[0]["gallery_size_raw"]
