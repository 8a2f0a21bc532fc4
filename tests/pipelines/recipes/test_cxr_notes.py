"""The cxr-notes recipe: refused without data, whole on a miniature and on a slice of the real set."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.plan import make_plan
from pipelines.rows import manifest_of
from workbench.errors import Refusal

QUICK = ["pretrain.xray.epochs=1", "modalities.xray.options.size=64", "evaluate.0.min_positives=1",
         "evaluate.2.min_positives=1"]  # fmt: skip
COLUMNS = ("image", "patientid", "sex", "age", "finding", "view", "modality", "clinical_notes")


def miniature(root: Path) -> Path:
    """Write 20 patients with two radiographs each, which share one note; every fifth has none."""
    (root / "images").mkdir()
    rng, lines = np.random.default_rng(0), []
    for patient in range(20):
        covid = patient % 2 == 0
        note = "" if patient % 5 == 4 else f"Day {patient}: {'ground-glass' if covid else 'lobar'}"
        for view in ("PA", "L"):
            name = f"images/p{patient}-{view}.png"
            grey = rng.integers(0, 256, (80, 70), dtype=np.uint8)
            grey[: 20 + 20 * covid] //= 4
            Image.fromarray(grey).save(root / name)
            finding = "COVID-19" if covid else "Pneumonia"
            lines.append((name, patient, "F", 60, finding, view, "X-ray", note))
    with (root / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *lines])
    return root


def test_without_the_data_folder_the_message_says_what_to_give() -> None:
    with pytest.raises(Refusal, match=r"needs root: .*--set manifest\.root=FOLDER"):
        make_plan("cxr-notes")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    plan = make_plan("cxr-notes", [f"manifest.root={tmp_path}"])
    with pytest.raises(Refusal, match=r"E-MAN-101 metadata\.csv"):
        manifest_of(plan, tmp_path)


def test_the_recipe_runs_on_a_miniature(tmp_path, run_recipe, trained):  # type: ignore[no-untyped-def]
    run = run_recipe("cxr-notes", miniature(tmp_path), QUICK)
    flow = json.loads((run / "record.json").read_text())["flow"]
    assert flow["xray"]["ok"] + flow["xray"]["flag"] == 40
    assert flow["report"]["absent"] == 8
    rows = trained(run)
    assert {r["task"] for r in rows} == {"zero_shot", "retrieval", "probe"}
    zero_shot = next(r for r in rows if r["task"] == "zero_shot")
    # rows without a note are asked all the same; the two images of a patient are one group
    assert zero_shot["n"] == 2 * zero_shot["n_groups"]


def test_a_slice_of_the_real_set_never_splits_a_patient(sample_data, run_recipe, trained):  # type: ignore[no-untyped-def]
    root = sample_data("xray/covid-chestxray")
    run = run_recipe("cxr-notes", root, QUICK, limit=90)
    plan = make_plan("cxr-notes", [f"manifest.root={root}"])
    whole = manifest_of(plan, run)
    places: dict[str, set[str]] = {}
    for group, split in zip(whole.groups, whole.splits, strict=True):
        places.setdefault(group, set()).add(split)
    assert len(places) == 106
    assert all(len(found) == 1 for found in places.values())
    assert not (run / "quarantine.jsonl").read_text()
    rows = trained(run)
    found = next(r for r in rows if r["task"] == "retrieval" and r["gallery"] == "report")
    assert found["n"] > found["gallery_size"] > 0
