"""Stores for the tests of batch evaluation: a stranger's folder, changed runs, one that dies."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
from dataclasses import dataclass

import numpy as np
from example_space import make_space, unit
from safetensors.numpy import load_file, save_file

from pipelines.jobs.foreign import ForeignStore
from workbench.files import file_digest

TASKS = """\
seed: 4
replicates: 50
evaluate:
  - {task: retrieval, query: ecg, gallery: report}
  - {task: retrieval, query: ecg, gallery: report, relation: same_label, label: finding}
  - {task: knn, query: ecg, label: finding, k: [1, 5]}
"""

STORE = """\
manifest: {path: rows.csv}
modalities:
  ecg: {vectors: ecg.npy, ids: ecg.txt, features: ecg-features.npy}
  report: {vectors: report.npy, ids: report.txt}
prompts:
  report: {vectors: prompts.npy, texts: prompts.json}
"""


def write_store(folder, *, seed=0, n=60, text=STORE):
    """Write the example space as a stranger would hand it over, and return the folder."""
    folder.mkdir(parents=True)
    space = make_space(n=n, seed=seed)
    rows = space.rows
    with open(folder / "rows.csv", "w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "group", "split", "finding"])
        table.writerows(
            zip(rows.ids, rows.groups, rows.splits, rows.columns["finding"], strict=True)
        )
    for key, found in space.vectors.items():
        np.save(folder / f"{key}.npy", found.values)
        (folder / f"{key}.txt").write_text("\n".join(found.ids) + "\n")
    np.save(folder / "ecg-features.npy", space.vectors["ecg"].features)
    texts = space.texts["report"]
    np.save(folder / "prompts.npy", np.stack(list(texts.values())))
    (folder / "prompts.json").write_text(json.dumps(list(texts)))
    (folder / "store.yaml").write_text(text)
    return folder


def changed_run(finished, folder, *, seed):
    """Copy a finished run and move its vectors, as another training would have."""
    shutil.copytree(finished, folder)
    rng = np.random.default_rng(seed)
    for marker in folder.glob("embeddings/*/stage.json"):
        stage = json.loads(marker.read_text())
        for path in marker.parent.glob("*.safetensors"):
            if "prompts" not in path.name:
                tensors = load_file(path)
                noise = 0.3 * rng.standard_normal(tensors["vectors"].shape)
                save_file({**tensors, "vectors": unit(tensors["vectors"] + noise)}, path)
                stage["files"][path.name] = file_digest(path)
        marker.write_text(json.dumps(stage))
    return folder


@dataclass(frozen=True)
class DyingStore(ForeignStore):
    """A store whose worker is killed when it comes to the tasks that compare labels."""

    def variants(self, options):
        if getattr(options, "label", None):
            os.kill(os.getpid(), signal.SIGKILL)
        return ()
