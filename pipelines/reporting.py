"""Gathers what a run left on disk into the data of its report."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from eval.report import ReportData, map_of_space, write_report
from eval.report.cases import cases_of_classes, cases_of_numbers, cases_of_searches
from eval.report.sections.prevalence import MISSING
from pipelines import rows
from pipelines.embed import load_space
from pipelines.plan import Part, Plan
from workbench.fuse_config import is_subset
from workbench.manifest import Manifest
from workbench.modality import Sample
from workbench.record import RunFolder

PREVIEW_COLOURS = 64
BATCH_ROWS = 4096
# what the failure analysis reads of a Parquet of predictions
_READ = ("id", "label", "query", "gallery", "first_rank", "gallery_size")


def write_run_report(plan: Plan, folder: RunFolder, manifest: Manifest) -> None:
    """Write report.html and report.md of a run, and beside them what machines read of it.

    `croissant.json` describes the manifest, `model-card.md` the model. Both are the same bytes
    whenever the numbers are, whatever the time or the machine.
    """
    from pipelines.croissant import write_croissant
    from pipelines.model_card import write_model_card

    data = report_data(plan, folder, manifest)
    write_report(data, folder.path)
    write_croissant(plan, folder, manifest)
    write_model_card(data, folder.path)


def report_data(plan: Plan, folder: RunFolder, manifest: Manifest) -> ReportData:
    """Return everything the report shows."""
    record = folder.record()
    extras = _with_cases(folder.stage("predictions"))
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
        previews=previews_of(plan, manifest, _shown(extras)),
        leakage=_leakage(record["leakage"]),
        source=record["data"]["source"],
        card=plan.pipeline.card,
        subsets=[row for row in metrics if _of_subset(row)],
        labels=label_counts(plan, manifest),
    )


def preview_png(part: Part, sample: Sample) -> bytes:
    """Return the picture of a sample as PNG bytes, without metadata that changes."""
    figure = part.modality.preview(sample)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=90, metadata={"Software": None})
    return stream.getvalue()


def label_counts(plan: Plan, manifest: Manifest) -> dict[str, dict[str, dict[str, int]]]:
    """Return, for every label that a task names, how many rows of each split bear each value."""
    named = [getattr(task.options, "label", None) for task in plan.tasks]
    found: dict[str, dict[str, dict[str, int]]] = {}
    for label in dict.fromkeys(str(name) for name in named if name in manifest.columns):
        by_split: dict[str, Counter[str]] = {
            name: Counter() for name in sorted(set(manifest.splits))
        }
        for split, cell in zip(manifest.splits, manifest.columns[label], strict=True):
            by_split[split].update((cell or MISSING).split("|"))
        found[label] = {name: dict(sorted(counts.items())) for name, counts in by_split.items()}
    return found


def fewer_colours(png: bytes) -> bytes:
    """Return a preview as a PNG of few colours, a quarter of the size; same pixels, same bytes."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as picture:
        reduced = picture.convert("RGB").quantize(PREVIEW_COLOURS, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    reduced.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _with_cases(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the material of every task, with the single samples that its predictions show."""
    extras: dict[str, dict[str, Any]] = json.loads((folder / "extras.json").read_text())
    for key, extra in extras.items():
        path = folder / f"{key}.parquet"
        if path.is_file():
            found = _cases(path, extra.get("classes") or ())
            extra |= {"cases": found, **{k: v for k, v in found.items() if k == "predicted"}}
    return extras


def _cases(path: Path, classes: Iterable[str]) -> dict[str, Any]:
    """Pick the single samples worth showing out of one file of predictions."""
    import pyarrow.parquet

    schema = pyarrow.parquet.read_schema(path)
    names = schema.names
    if "first_rank" in names:
        return cases_of_searches(_batches(path, names))
    kinds = [name.removeprefix("prediction_") for name in names if name.startswith("prediction_")]
    kind = "values" if "values" in kinds else kinds[0] if kinds else ""
    if "label" in names and pyarrow.types.is_floating(schema.field("label").type):
        return cases_of_numbers(_batches(path, names), kind=kind)
    return cases_of_classes(_batches(path, names), list(classes), kind=kind)


def _batches(path: Path, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet

    wanted = [n for n in names if n in _READ or n.startswith(("scores", "prediction"))]
    file = pyarrow.parquet.ParquetFile(path)
    for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
        yield batch.to_pydict()


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


def previews_of(
    plan: Plan, manifest: Manifest, shown: Iterable[tuple[str, str]]
) -> dict[str, bytes]:
    """Read the cells of (modality, id) again and draw them; PNG bytes by "modality/id"."""
    at = {row_id: i for i, row_id in enumerate(manifest.ids)}
    cells = {key: rows.cells(part, manifest) for key, part in plan.parts.items()}
    pictures: dict[str, bytes] = {}
    for key, row_id in sorted(shown):
        cell = cells[key][at[row_id]] if key in cells else None
        if cell is not None:
            part = plan.parts[key]
            sample = part.modality.read(rows.source(part, cell, manifest), part.options)
            pictures[f"{key}/{row_id}"] = fewer_colours(preview_png(part, sample))
    return pictures


def _leakage(found: Mapping[str, Any]) -> dict[str, Any]:
    """Say the audit in the report's words; a run of an older version has none of this form."""
    if "checks" not in found:
        return {}
    words: dict[str, Any] = {check["name"]: _checked(check) for check in found["checks"]}
    for what, split in found["fitted"].items():
        words[f"fitted: {what}"] = split
    return {**words, "pretraining_overlap": found["pretraining"]}


def _checked(check: Mapping[str, Any]) -> Any:
    """Word one check; a note says how much was found without making the numbers doubtful."""
    number, remark = check["found"], check["remark"]
    if check["verdict"] == "note":
        told = f"{number} noted" if number else "none" if check["looked"] else ""
        return ", ".join(text for text in (told, remark) if text)
    result = "flagged, pairs in leakage.parquet" if number else "clean"
    return {"found": number, "result": ", ".join(text for text in (result, remark) if text)}


def open_manifest(plan: Plan, path: Path, limit: int | None) -> Manifest:
    """Return the manifest of a finished run."""
    return rows.manifest_of(plan, path / "cohort", limit=limit)
