"""Checkpoints of a training stage: complete or absent, verified by digest, the last two kept."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from workbench.errors import Refusal
from workbench.files import atomic_write, file_digest, sync_folder
from workbench.record import write_json

KEPT = 2


@dataclass
class Progress:
    """Everything a training loop needs to go on as if it had never stopped.

    Attributes:
        step: optimiser steps done.
        tensors: trained parameters, optimiser moments and the best parameters so far.
        facts: JSON scalars: best value, epochs without a better one.
    """

    step: int = 0
    tensors: dict[str, Tensor] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def save_progress(folder: Path, progress: Progress, key: Mapping[str, Any]) -> None:
    """Write a checkpoint under a temporary name, make it durable, then point `LATEST` at it.

    Args:
        folder: the stage's checkpoint folder.
        progress: what to save.
        key: what must be equal to resume: digests, seed, versions.
    """
    from safetensors.torch import save_file

    name = f"step-{progress.step:08d}"
    temporary = folder / f".{name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in progress.tensors.items()}
    save_file(tensors, str(temporary / "state.safetensors"))
    digest = file_digest(temporary / "state.safetensors")
    content = {"step": progress.step, "facts": progress.facts, "key": dict(key), "sha256": digest}
    write_json(temporary / "progress.json", content)
    sync_folder(temporary)
    shutil.rmtree(folder / name, ignore_errors=True)
    os.replace(temporary, folder / name)
    sync_folder(folder)
    atomic_write(folder / "LATEST", name.encode())
    for old in sorted(folder.glob("step-*"))[:-KEPT]:
        shutil.rmtree(old)


def load_progress(folder: Path, key: Mapping[str, Any]) -> Progress | None:
    """Return the newest complete checkpoint, or None when there is none.

    Raises:
        Refusal: it belongs to another configuration, data or version (the first difference is
            named), or its bytes are not those that were written.
    """
    from safetensors.torch import load_file

    latest = folder / "LATEST"
    if not latest.is_file():
        return None
    chosen = folder / latest.read_text()
    content = json.loads((chosen / "progress.json").read_text())
    _compare_key(content["key"], dict(key), chosen)
    found = file_digest(chosen / "state.safetensors")
    if found != content["sha256"]:
        raise Refusal("E-CKP-005", file=f"{chosen.name}/state.safetensors", field="sha256",
                      found=found, expected=content["sha256"],
                      fix=f"Delete {chosen.parent.name}/ to train this stage again.")  # fmt: skip
    tensors = load_file(str(chosen / "state.safetensors"))
    return Progress(int(content["step"]), tensors, content["facts"])


def _compare_key(saved: Mapping[str, Any], given: Mapping[str, Any], chosen: Path) -> None:
    for name in sorted(set(saved) | set(given)):
        if saved.get(name) != given.get(name):
            raise Refusal("E-MAN-020", file=f"{chosen.parent.name}/{chosen.name}", field=name,
                          found=given.get(name), expected=saved.get(name),
                          fix="Choose another --out, or restore what changed.")  # fmt: skip
