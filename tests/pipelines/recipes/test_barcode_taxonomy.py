"""The barcode-taxonomy recipe: refused without data, whole on a miniature and on a real slice."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from modalities.dna.alphabet import UNKNOWN, encode
from modalities.dna.consensus import consensus
from pipelines.batch import CALIBRATION_ROWS
from pipelines.datasets.insect_coi import COLUMNS
from pipelines.plan import make_plan
from pipelines.rows import manifest_of
from workbench.errors import Refusal

QUICK = ["modalities.dna.encoder.options.width=32", "modalities.dna.encoder.options.hidden=32"]
LENGTH = 657
CODONS = [a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT" if a + b + c[:1] != "TAA"]
SPLITS = ("train", "train", "train", "val_seen", "test_seen")
UNSEEN = ("key_unseen", "test_unseen")


def changed(sequence: str, count: int, rng: np.random.Generator) -> str:
    """Return a sequence with some bases drawn anew."""
    letters = list(sequence)
    for place in rng.choice(len(letters), count, replace=False):
        letters[place] = "ACGT"[rng.integers(4)]
    return "".join(letters)


def miniature(root: Path) -> Path:
    """Write 4 orders x 2 genera x (2 seen + 1 unseen) invented species in the table's layout."""
    rng = np.random.default_rng(0)
    ancestor = "".join(CODONS[i] for i in rng.integers(len(CODONS), size=LENGTH // 3))
    lines = []
    for genus in range(8):
        order, near = f"Order{genus // 2}", changed(ancestor, 150, rng)
        for kind in range(3):
            name, own = f"Genus{genus} species{kind}", changed(near, 30, rng)
            for number, split in enumerate(UNSEEN if kind == 2 else SPLITS):
                lines.append({
                    "processid": f"P{genus}{kind}{number}", "split": split, "bin_uri": "",
                    "order_name": order, "family_name": f"Family{genus}", "subfamily_name": "",
                    "genus_name": f"Genus{genus}", "species_name": name, "country": "",
                    "exact_dup_in_gallery": "0", "nucleotides": "A" + changed(own, 6, rng),
                })  # fmt: skip
    with (root / "insect_coi.tsv").open("w", newline="") as file:
        writer = csv.DictWriter(file, sorted(set(COLUMNS.values())), delimiter="\t")
        writer.writeheader()
        writer.writerows(lines)
    return root


def reference(run: Path) -> torch.Tensor:
    """Return the reference that the trained tower holds."""
    from safetensors.torch import load_file

    return load_file(str(run / "checkpoints" / "dna" / "encoder.safetensors"))["reference"]


def test_without_the_data_folder_the_message_says_what_to_give() -> None:
    with pytest.raises(Refusal, match=r"needs root: .*--set manifest\.root=FOLDER"):
        make_plan("barcode-taxonomy")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    plan = make_plan("barcode-taxonomy", [f"manifest.root={tmp_path}"])
    with pytest.raises(Refusal, match=r"insect_coi\.tsv\.gz"):
        manifest_of(plan, tmp_path)


def test_the_recipe_runs_on_a_miniature(tmp_path, run_recipe, trained):  # type: ignore[no-untyped-def]
    sets = [*QUICK, "align.epochs=25", "align.batch_size=48", "replicates=5"]
    run = run_recipe("barcode-taxonomy", miniature(tmp_path), sets)
    rows = trained(run)
    tasks = {"zero_shot", "knn", "probe", "taxonomic", "open_set", "cluster"}
    assert {r["task"] for r in rows} == tasks
    hits = {
        (r["task"], r["label"], r["pool"], r["prompts"] is not None): r["value"]
        for r in rows
        if r["metric"] == "accuracy" and r["average"] == "micro" and r["k"] == 1
    }
    assert hits["zero_shot", "order", None, True] > 0.9
    assert hits["knn", "genus", "values", False] > 0.9
    ranks = {
        (r["rank"], r["pool"]): r["value"]
        for r in rows
        if r["task"] == "taxonomic" and r["gallery"] == "dna" and r["metric"] == "accuracy"
        and (r["average"], r["k"]) == ("macro", 1)
    }  # fmt: skip
    for rank in ("order", "family", "genus", "species"):
        seen, unseen = ranks[rank, "seen"], ranks[rank, "unseen"]
        assert ranks[rank, "hm"] == pytest.approx(2 * seen * unseen / (seen + unseen), abs=1e-12)
    assert ranks["genus", "hm"] > 0.9
    species = next(r for r in rows if r["task"] == "zero_shot" and r["label"] == "species")
    assert (species["n"], species["gallery_size"]) == (16, 16)
    models = {r["model"] for r in json.loads((run / "metrics.json").read_text())}
    controls = {"unaligned", "random_frozen", "constant", "text_prior"}
    assert models == {"trained", *(f"control:{name}" for name in controls)}


@pytest.mark.parametrize("pretrain", [[], ["pretrain.dna.epochs=1", "pretrain.dna.batch_size=24"]])
def test_the_reference_is_the_consensus_of_training_rows_alone(  # type: ignore[no-untyped-def]
    tmp_path, run_recipe, pretrain
):
    path = miniature(tmp_path) / "insect_coi.tsv"
    run = run_recipe("barcode-taxonomy", tmp_path, [*QUICK, "evaluate=[]", *pretrain])
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    cells = [row["nucleotides"] for row in rows if row["split"] == "train"]
    assert len(cells) < CALIBRATION_ROWS
    codes = torch.stack([torch.from_numpy(encode(cell.encode()).copy()).long() for cell in cells])
    assert torch.equal(reference(run), consensus(codes, 5))


def test_other_splits_change_no_vector_of_a_training_row(tmp_path, run_recipe):  # type: ignore[no-untyped-def]
    from safetensors.numpy import load_file

    path = miniature(tmp_path) / "insect_coi.tsv"
    sets = [*QUICK, "evaluate=[]"]
    found = []
    for keep_all in (True, False):
        lines = path.read_text().splitlines(keepends=True)
        if not keep_all:
            lines = [lines[0], *(line for line in lines[1:] if "\ttrain" in line)]
            path.write_text("".join(lines))
        run = run_recipe("barcode-taxonomy", tmp_path, sets)
        files = sorted((run / "checkpoints").glob("*/*.safetensors"))
        found.append({f"{file.parent.name}/{file.name}": load_file(str(file)) for file in files})
        run.rename(tmp_path / f"run-{keep_all}")
    for name, tensors in found[0].items():
        for key, tensor in tensors.items():
            np.testing.assert_array_equal(found[1][name][key], tensor, err_msg=f"{name} {key}")


def test_a_slice_of_the_real_set_names_orders_of_unseen_species(  # type: ignore[no-untyped-def]
    sample_data, run_recipe, trained
):
    root = sample_data("dna/insect-bold")
    sets = [*QUICK, "align.epochs=4", "align.learning_rate=1e-2", "replicates=5"]
    sets += ["controls.random_frozen=0", "controls.unaligned=false"]
    run = run_recipe("barcode-taxonomy", root, sets, limit=300)
    (order,) = {
        r["value"] for r in trained(run)
        if r["task"] == "knn" and r["label"] == "order" and r["metric"] == "accuracy"
        and r["pool"] == "values" and r["average"] == "micro"
    }  # fmt: skip
    assert order > 0.6
    assert (reference(run) < UNKNOWN).sum() > LENGTH - 30
    assert not (run / "quarantine.jsonl").read_text()
