"""The manifest of a plan: read from a table, adapted from a dataset, or synthesised."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipelines.plan import Part, Plan, locate
from workbench import registry
from workbench.dataset import Adapted, Dataset
from workbench.errors import BadInput, Refusal
from workbench.files import file_digest
from workbench.manifest import Cell, Manifest, from_table, read_manifest
from workbench.modality import Options, Source
from workbench.pipeline_file import validate
from workbench.yaml12 import Document


def manifest_of(plan: Plan, cohort: Path, *, limit: int | None = None) -> Manifest:
    """Return the validated manifest of a plan.

    Args:
        plan: the plan.
        cohort: folder a synthetic cohort is written to (and found in again).
        limit: about so many rows, whole groups.

    Raises:
        Refusal: anything wrong with table, columns or splits.
    """
    config = plan.pipeline.manifest
    if config.path is not None:
        root = {} if config.root is None else {"root": str(locate(plan.base, config.root))}
        found = locate(plan.base, config.path)
        manifest = read_manifest(found, config.model_copy(update=root), seed=plan.pipeline.seed)
    else:
        adapted = _adapt(plan, cohort)
        name = config.dataset or config.synthetic or ""
        manifest = from_table(
            adapted.table, config, seed=plan.pipeline.seed, name=name, root=adapted.root
        )
        manifest = replace(manifest, source=adapted.source, rejected=adapted.rejected)
    return manifest if limit is None else manifest.limited(limit)


def _adapt(plan: Plan, cohort: Path) -> Adapted:
    config = plan.pipeline.manifest
    name = config.dataset or config.synthetic or ""
    dataset: Dataset[Options] = registry.load("datasets", name)
    given = dict(config.options)
    if config.synthetic is not None:
        given = {"subjects": config.subjects, "seed": plan.pipeline.seed, **given}
    document = Document({}, file="manifest.options")
    options = validate(dataset.options, given, document, ("manifest", "options"))
    if config.synthetic is not None:
        return dataset.adapt(cohort, options)
    root = locate(plan.base, config.root or ".")
    if not root.is_dir():
        raise Refusal("E-MAN-007", file="manifest.root", field="folder", found=f"no {root.name!r}",
                      expected=f"the folder of the {name} dataset")  # fmt: skip
    return dataset.adapt(root, options)


def cells(part: Part, manifest: Manifest) -> tuple[Cell, ...]:
    """Return the cell of every row for one modality; None is absent."""
    if part.config.template is not None:
        return manifest.filled(part.config.template)
    return manifest.column(part.config.column or part.key)


def source(part: Part, cell: str, manifest: Manifest) -> Source:
    """Return what a reader is given for a cell; inline text has no root to leave."""
    del part
    return Source(cell, manifest.root)


def content_digest(plan: Plan, manifest: Manifest) -> str:
    """Return the sha256 of the manifest and of every file that its cells name.

    A file counts together with the files beside it that share its stem (a WFDB header with its
    signals); a folder counts with all that is in it.
    """
    hasher = hashlib.sha256(manifest.digest().encode())
    seen: set[Path] = set()
    for part in plan.parts.values():
        if part.modality.spec.cell == "text" or part.config.template is not None:
            continue
        for cell in cells(part, manifest):
            if cell is not None:
                for path in _files_of(part, cell, manifest):
                    if path not in seen:
                        seen.add(path)
                        hasher.update(file_digest(path).encode())
    return hasher.hexdigest()


def _files_of(part: Part, cell: str, manifest: Manifest) -> list[Path]:
    """Return the files behind a cell; a cell that cannot be resolved is quarantined later."""
    if part.modality.spec.cell == "either" and (len(cell.encode()) > 255 or "\n" in cell):
        return []
    try:
        path = source(part, cell.partition("#")[0], manifest).path()
    except BadInput:
        return []
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.is_file())
    stem = path.name.partition(".")[0]
    return sorted(p for p in path.parent.glob(f"{_escaped(stem)}.*") if p.is_file()) or [path]


def _escaped(stem: str) -> str:
    import glob

    return glob.escape(stem)


def split_counts(plan: Plan, manifest: Manifest) -> dict[str, dict[str, int]]:
    """Return, per split, the rows, the groups and the present cells of every modality."""
    counts: dict[str, dict[str, int]] = {}
    present: Mapping[str, tuple[Cell, ...]] = {k: cells(p, manifest) for k, p in plan.parts.items()}
    for split in sorted(set(manifest.splits)):
        mine = [i for i, s in enumerate(manifest.splits) if s == split]
        counts[split] = {"rows": len(mine), "groups": len({manifest.groups[i] for i in mine})}
        for key, column in present.items():
            counts[split][key] = sum(column[i] is not None for i in mine)
    return counts
