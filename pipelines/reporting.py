"""Gathers what a run left on disk into the data of its report."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from eval.report import ReportData, map_of_space, write_report
from pipelines import rows
from pipelines.embed import load_space
from pipelines.plan import Part, Plan
from workbench.config import is_subset
from workbench.manifest import Manifest
from workbench.modality import Sample
from workbench.record import RunFolder


def write_run_report(plan: Plan, folder: RunFolder, manifest: Manifest) -> None:
    """Write report.html and report.md of a run whose metrics are complete."""
    write_report(report_data(plan, folder, manifest), folder.path)


def report_data(plan: Plan, folder: RunFolder, manifest: Manifest) -> ReportData:
    """Return everything the report shows."""
    record = folder.record()
    extras = json.loads((folder.stage("predictions") / "extras.json").read_text())
    quarantine = (folder.path / "quarantine.jsonl").read_text().splitlines()
    metrics = json.loads((folder.path / "metrics.json").read_text())
    return ReportData(
        name=plan.pipeline.name,
        digest=plan.digest(),
        seed=plan.pipeline.seed,
        pipeline=(folder.path / "pipeline.yaml").read_text(),
        record=record,
        flow=record["flow"],
        splits=record["splits"],
        flags=record["flags"],
        quarantine=[json.loads(line) for line in quarantine],
        metrics=[row for row in metrics if not _of_subset(row)],
        extras=extras,
        curves=folder.logged(),
        space_map=_map(plan, folder, manifest),
        previews=_previews(plan, manifest, _shown(extras)),
        leakage=_leakage(record["leakage"]),
        source=record["data"]["source"],
        card=plan.pipeline.card,
        subsets=[row for row in metrics if _of_subset(row)],
    )


def preview_png(part: Part, sample: Sample) -> bytes:
    """Return the picture of a sample as PNG bytes, without metadata that changes."""
    figure = part.modality.preview(sample)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=90, metadata={"Software": None})
    return stream.getvalue()


def _of_subset(row: Mapping[str, Any]) -> bool:
    return is_subset(row["query"]) or is_subset(row["gallery"])


def _map(plan: Plan, folder: RunFolder, manifest: Manifest) -> Mapping[str, Any]:
    space = load_space(folder.path / "embeddings" / "trained", manifest)
    space = replace(space, vectors={k: v for k, v in space.vectors.items() if not is_subset(k)})
    columns = {str(getattr(t.options, "label", "")) for t in plan.tasks}
    known = sorted(c for c in columns if c in manifest.columns)
    split = "test" if "test" in manifest.splits else None
    return map_of_space(space, *known, split=split, seed=plan.pipeline.seed)


def _shown(extras: Mapping[str, Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Return the (modality, id) that the retrieval galleries show."""
    shown: set[tuple[str, str]] = set()
    for extra in extras.values():
        for found in extra.get("neighbours", []):
            shown.add((found["query_modality"], found["query"]))
            shown |= {(found["gallery_modality"], item["id"]) for item in found["items"]}
    return shown


def _previews(plan: Plan, manifest: Manifest, shown: Iterable[tuple[str, str]]) -> dict[str, bytes]:
    """Read the shown cells again and draw them."""
    at = {row_id: i for i, row_id in enumerate(manifest.ids)}
    cells = {key: rows.cells(part, manifest) for key, part in plan.parts.items()}
    pictures: dict[str, bytes] = {}
    for key, row_id in sorted(shown):
        cell = cells[key][at[row_id]] if key in cells else None
        if cell is not None:
            part = plan.parts[key]
            sample = part.modality.read(rows.source(part, cell, manifest), part.options)
            pictures[f"{key}/{row_id}"] = preview_png(part, sample)
    return pictures


def _leakage(found: Mapping[str, Any]) -> dict[str, Any]:
    """Say the audit in the report's words."""
    words: dict[str, Any] = {"groups in two splits": {"found": 0, "result": "none"}}
    for key, content in found["content"].items():
        number = content["shared"]
        name = f"equal {key} content in two splits"
        if number and content["files"]:
            words[name] = {"found": number, "result": "allowed by manifest.duplicates: flag"}
        else:
            words[name] = f"{number} repeated texts or sequences, flagged" if number else "none"
    return words


def open_manifest(plan: Plan, path: Path, limit: int | None) -> Manifest:
    """Return the manifest of a finished run."""
    return rows.manifest_of(plan, path / "cohort", limit=limit)
