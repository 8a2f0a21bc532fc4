"""Ids that must not cross splits: studies, volumes, specimens, and the files samples were cut from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from pipelines import rows
from pipelines.leakage.checks import Check, crossing
from pipelines.plan import Part, Plan
from workbench.manifest import Manifest

NAMES = (
    "patient", "patient_id", "subject", "subject_id", "study", "study_id", "exam", "exam_id",
    "series", "series_id", "volume", "volume_id", "record", "record_id", "recording",
    "recording_id", "specimen", "specimen_id", "parent", "parent_id", "eye_id",
)  # fmt: skip
"""Columns that are held to whole splits where the pipeline file names none."""

FIX = "split: {train: 0.7, val: 0.1, test: 0.2} draws by group; leakage.ids names the columns."


def check_ids(plan: Plan, manifest: Manifest) -> list[Check]:
    """Return one check per id column; values were trimmed and brought to NFC when read."""
    config = plan.pipeline
    named = config.leakage.ids
    if named is None:
        columns: Sequence[str] = [name for name in NAMES if name in manifest.columns]
    else:
        columns = named
    own = (config.manifest.group, config.manifest.id)
    return [_check_column(manifest, name) for name in columns if name not in own]


def check_parents(plan: Plan, manifest: Manifest) -> list[Check]:
    """Return one check per modality of files: slices or segments of one file in two splits."""
    parts = [p for p in plan.parts.values() if p.modality.spec.cell == "path"]
    return [_check_files(part, manifest) for part in parts if part.config.template is None]


def _check_column(manifest: Manifest, name: str) -> Check:
    cells = manifest.column(name)
    keys = ((row, cell) for row, cell in enumerate(cells) if cell is not None)
    found, pairs = crossing(keys, manifest.splits)
    return Check(f"{name} in two splits", field=f"column {name!r}", code="E-MAN-002",
                 verdict="refuse", found=found, pairs=pairs, fix=FIX)  # fmt: skip


def _check_files(part: Part, manifest: Manifest) -> Check:
    found, pairs = crossing(_parts_of_files(part, manifest), manifest.splits)
    # the same cell twice is an equal content, which has a check of its own
    cells = rows.cells(part, manifest)
    cut = tuple(p for p in pairs if cells[p.a] != cells[p.b])
    return Check(f"{part.key} file cut over two splits", field=f"{part.key} files",
                 code="E-MAN-003", verdict="refuse", found=min(found, len(cut)), pairs=cut,
                 fix=FIX)  # fmt: skip


def _parts_of_files(part: Part, manifest: Manifest) -> Iterator[tuple[int, str]]:
    """Yield (row, file without fragment and suffix)."""
    for row, cell in enumerate(rows.cells(part, manifest)):
        if cell is not None:
            yield row, str(PurePosixPath(cell.partition("#")[0]).with_suffix(""))
