"""Describes a run's manifest as Croissant 1.0, the metadata format of MLCommons for datasets.

Specification: MLCommons, "Croissant Format Specification", version 1.0, 2024.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping
from typing import Any

from pipelines.plan import Part, Plan, locate
from workbench import registry
from workbench.dataset import Dataset
from workbench.files import file_digest
from workbench.manifest import Manifest
from workbench.modality import Options
from workbench.pipeline_file import validate
from workbench.record import RunFolder, write_json
from workbench.yaml12 import Document

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
CARD_KEYS = {
    "license": "license", "url": "url", "creator": "creator", "date_published": "datePublished",
    "citation": "citeAs", "version": "version", "keywords": "keywords",
}  # fmt: skip
"""What the author's card may say of the data, and what Croissant calls it."""

_ROWS = "rows"
_TERMS = (
    "citeAs", "column", "dataType", "equivalentProperty", "examples", "extract", "field",
    "fileObject", "fileProperty", "fileSet", "format", "includes", "isLiveDataset", "jsonPath",
    "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace",
    "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip


def write_croissant(plan: Plan, folder: RunFolder, manifest: Manifest) -> None:
    """Write `croissant.json` into a run's folder; the same rows give the same bytes."""
    write_json(folder.path / "croissant.json", croissant(plan, manifest, folder))


def croissant(plan: Plan, manifest: Manifest, folder: RunFolder) -> dict[str, Any]:
    """Return the description: what the table is called, how to check it, what its columns mean.

    The table itself stays where it is. Licence, address, creator and date of the data are the
    author's to give, in `card`; what the card lacks is left out.
    """
    table = _table(plan, folder)
    card = plan.pipeline.card
    author: dict[str, Any] = {name: card[key] for key, name in CARD_KEYS.items() if card.get(key)}
    if "creator" in author:
        author["creator"] = {"@type": "sc:Organization", "name": author["creator"]}
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": _name(f"{plan.pipeline.name}-manifest"),
        "description": _description(plan, manifest),
        "distribution": [table],
        "recordSet": [
            {
                "@type": "cr:RecordSet", "@id": _ROWS, "name": _ROWS,
                "description": f"{len(manifest)} rows of the run; one row is one study or specimen.",
                "key": {"@id": f"{_ROWS}/{_name(plan.pipeline.manifest.id)}"},
                "field": list(_fields(plan, manifest, table)),
            }
        ],
        **author,
    }  # fmt: skip


def _table(plan: Plan, folder: RunFolder) -> dict[str, Any]:
    """Return the file that holds the rows, with its digest."""
    config = plan.pipeline.manifest
    if config.synthetic is not None:
        path = folder.path / "cohort" / "cohort.json"
        name, digest, form = "cohort/cohort.json", file_digest(path), "application/json"
        how = "The generated cohort, beside this file."
    elif config.path is not None:
        path = locate(plan.base, config.path)
        name, digest, form = path.name, file_digest(path), _format(path.suffixes)
        how = "The manifest that the pipeline file names; put it beside this file."
    else:
        name, form = "manifest.csv", "text/csv"
        digest = _digest_as_csv(plan)
        how = (
            f"What `workbench manifest {config.dataset} ROOT -o manifest.csv` writes, with the "
            "options of the pipeline file."
        )
    return {
        "@type": "cr:FileObject", "@id": "table", "name": name, "description": how,
        "contentUrl": name, "encodingFormat": form, "sha256": digest,
    }  # fmt: skip


def _digest_as_csv(plan: Plan) -> str:
    """Return the sha256 that an adapter's table has as the command writes it."""
    import pyarrow.csv

    config = plan.pipeline.manifest
    adapter: Dataset[Options] = registry.load("datasets", config.dataset or "")
    document = Document({}, file="manifest.options")
    options = validate(adapter.options, dict(config.options), document, ("manifest", "options"))
    stream = io.BytesIO()
    table = adapter.adapt(locate(plan.base, config.root or "."), options).table
    pyarrow.csv.write_csv(table, stream)
    return hashlib.sha256(stream.getvalue()).hexdigest()


def _format(suffixes: Iterable[str]) -> str:
    kinds = {".parquet": "application/x-parquet", ".tsv": "text/tab-separated-values"}
    return next((kinds[suffix] for suffix in suffixes if suffix in kinds), "text/csv")


def _fields(plan: Plan, manifest: Manifest, table: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Yield one field per column, all text as the manifest reads them."""
    by_path = table["encodingFormat"] == "application/json"
    said = dict(_meanings(plan))
    for column in manifest.columns:
        extract = {"jsonPath": f"$.rows[*].{column}"} if by_path else {"column": column}
        yield {
            "@type": "cr:Field", "@id": f"{_ROWS}/{_name(column)}", "name": column,
            "description": said.get(column, "A column of the manifest."), "dataType": "sc:Text",
            "source": {"fileObject": {"@id": "table"}, "extract": extract},
        }  # fmt: skip


def _meanings(plan: Plan) -> Iterable[tuple[str, str]]:
    """Yield what each known column is for."""
    config = plan.pipeline.manifest
    yield config.id, "Unique id of the row."
    yield config.group, "Patient or specimen; never crosses splits, and is the unit of intervals."
    if isinstance(config.split, str):
        yield config.split, "Split of the row."
    for key, part in plan.parts.items():
        yield part.config.column or key, _cell(key, part)
    for task in plan.tasks:
        label = getattr(task.options, "label", None)
        if isinstance(label, str):
            yield label, f"Label that the task {task.task} evaluates."


def _cell(key: str, part: Part) -> str:
    spec = part.modality.spec
    what = "text" if spec.cell == "text" else "path of a file, from the root of the manifest"
    return f"{key}: {what}; empty where absent."


def _description(plan: Plan, manifest: Manifest) -> str:
    """Say where the rows come from and how they are split."""
    splits = {name: manifest.splits.count(name) for name in sorted(set(manifest.splits))}
    shares = ", ".join(f"{n} {name}" for name, n in splits.items())
    source = manifest.source.strip().rstrip(".") or "a source that the author did not name"
    text = f"Manifest of the run {plan.pipeline.name}: {source}. Rows by split: {shares}."
    sources = plan.pipeline.card.get("sources", "").strip()
    return f"{text} {sources}" if sources else text


def _context() -> dict[str, Any]:
    """Return the JSON-LD context that the specification recommends."""
    terms: dict[str, Any] = {name: f"cr:{name}" for name in _TERMS}
    return {
        **terms, "@language": "en", "@vocab": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/", "sc": "https://schema.org/",
        "conformsTo": "dct:conformsTo", "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
    }  # fmt: skip


def _name(text: str) -> str:
    """Return a text as an id: letters, digits and - _ . alone."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in text)
