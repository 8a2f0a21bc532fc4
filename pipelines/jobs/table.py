"""Joins the results of a job into one table, equal to the last byte however they came about."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.task import Metric
from pipelines.jobs.ledger import Ledger
from pipelines.jobs.results import Results
from workbench.files import atomic_write

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "results"
MADE_BY = ("store", "task_name")
PROVENANCE = (
    "store_digest", "run_digest", "checkpoint_digest", "task_digest", "task_version", "workbench",
    "predictions",
)  # fmt: skip


def write_table(ledger: Ledger, results: Results, out: Path) -> None:
    """Write `results.parquet`, `results.csv` and `failures.csv` into a job's folder.

    Rows are in the order of the job's stores, of its tasks, and of each task's numbers. Neither a
    date nor a path of this host stands in them.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    rows = list(_rows(ledger, results))
    table = pa.Table.from_pylist([_flat(row) for row in rows], schema=_schema())
    stream = io.BytesIO()
    pa.parquet.write_table(table, stream, compression="zstd")
    atomic_write(out / f"{NAME}.parquet", stream.getvalue())
    atomic_write(out / f"{NAME}.csv", _csv(table))
    missed = pa.Table.from_pylist(
        [{"store": s, "task_name": t, "error": e} for s, t, e in ledger.misses(results)],
        schema=pa.schema([(name, pa.string()) for name in ("store", "task_name", "error")]),
    )
    atomic_write(out / "failures.csv", _csv(missed))


def _rows(ledger: Ledger, results: Results) -> Iterator[dict[str, Any]]:
    for store, task, unit in ledger.units():
        if results.state(unit) == "done":
            head = {
                "store": store.name, "task_name": task.name, "store_digest": store.digest,
                "run_digest": store.run_digest, "checkpoint_digest": store.checkpoint_digest,
                "task_digest": task.digest, "task_version": task.version,
                "workbench": ledger.workbench, "predictions": results.predictions(unit),
            }  # fmt: skip
            for row in results.rows(unit):
                yield {**head, **row}


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row whose mappings and lists are JSON texts; an empty one is null."""
    return {key: _text(value) if isinstance(value, dict | list) else value
            for key, value in row.items()}  # fmt: skip


def _text(value: Mapping[str, Any] | Sequence[Any]) -> str | None:
    return json.dumps(value, sort_keys=True, ensure_ascii=False) if value else None


def _schema() -> pa.Schema:
    """Return the columns with their kinds, which no content changes."""
    import pyarrow as pa

    columns = [(name, pa.string()) for name in MADE_BY]
    for field in fields(Metric):
        kind = str(field.type)
        columns.append((field.name, pa.float64() if "float" in kind else
                        pa.int64() if kind.startswith("int") else pa.string()))  # fmt: skip
    return pa.schema([*columns, *((name, pa.string()) for name in PROVENANCE)])


def _csv(table: pa.Table) -> bytes:
    import pyarrow.csv

    stream = io.BytesIO()
    pyarrow.csv.write_csv(table, stream)
    return stream.getvalue()
