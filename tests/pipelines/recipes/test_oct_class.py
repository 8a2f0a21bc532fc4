"""The oct-class recipe: refused without data, whole on a miniature and on a slice of the real set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.plan import make_plan
from pipelines.rows import manifest_of
from workbench.errors import Refusal

QUICK = ["pretrain.oct.epochs=1", "modalities.oct.options.size=[3,32,48]",
         "evaluate.0.min_positives=1"]  # fmt: skip
CLASSES = ("AMD", "DME", "NORMAL")


def miniature(root: Path) -> Path:
    """Write 24 B-scans per class whose numbers run over nine blocks of 35."""
    rng = np.random.default_rng(0)
    for level, name in enumerate(CLASSES):
        (root / name).mkdir()
        for number in range(0, 300, 13):
            grey = rng.integers(0, 120, (40, 64), dtype=np.uint8)
            grey[10 + 8 * level : 16 + 8 * level] += 120
            Image.fromarray(grey).save(root / name / f"{name}_{number}.png")
    return root


def test_without_the_data_folder_the_message_says_what_to_give() -> None:
    with pytest.raises(Refusal, match=r"needs root: .*--set manifest\.root=FOLDER"):
        make_plan("oct-class")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    plan = make_plan("oct-class", [f"manifest.root={tmp_path}"])
    with pytest.raises(Refusal, match="E-MAN-101"):
        manifest_of(plan, tmp_path)


def test_the_recipe_runs_on_a_miniature(tmp_path, run_recipe, trained):  # type: ignore[no-untyped-def]
    run = run_recipe("oct-class", miniature(tmp_path), QUICK)
    rows = trained(run)
    assert {r["task"] for r in rows} == {"zero_shot", "knn", "probe", "retrieval"}
    splits = json.loads((run / "record.json").read_text())["splits"]
    assert sum(part["rows"] for part in splits.values()) == 72
    assert {part["groups"] % 3 for part in splits.values()} == {0}
    (accuracy,) = (r for r in rows if r["task"] == "zero_shot" and r["metric"] == "accuracy"
                   and r["average"] == "macro")  # fmt: skip
    assert accuracy["n"] == splits["test"]["rows"]
    assert accuracy["n_groups"] == splits["test"]["groups"]


def test_a_slice_of_the_real_set_keeps_blocks_of_numbers_together(sample_data, run_recipe, trained):  # type: ignore[no-untyped-def]
    root = sample_data("oct/noor-vineetadas")
    run = run_recipe("oct-class", root, QUICK, limit=120)
    whole = manifest_of(make_plan("oct-class", [f"manifest.root={root}"]), run)
    block = {(label, int(Path(path).stem.split("_")[1]) // 35): split
             for label, path, split in zip(whole.column("diagnosis"), whole.ids, whole.splits,
                                           strict=True)}  # fmt: skip
    for label, path, split in zip(whole.column("diagnosis"), whole.ids, whole.splits, strict=True):
        assert block[label, int(Path(path).stem.split("_")[1]) // 35] == split
    assert {s for (label, _), s in block.items() if label == "AMD"} == {"train", "val", "test"}
    assert not (run / "quarantine.jsonl").read_text()
    assert {r["class"] for r in trained(run) if r.get("class")} <= set(CLASSES)
