"""What a batch evaluation leaves on disk: one result for each store and task, under their digests."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from eval.task import Metric
from workbench.errors import Failure
from workbench.files import atomic_write, file_digest
from workbench.liveness import Life
from workbench.record import write_json

State = Literal["done", "failed", "missing"]
SHORT = 16


@dataclass(frozen=True, order=True)
class Unit:
    """One task on one store, by their digests."""

    store: str
    task: str

    @property
    def stem(self) -> str:
        """Path of its files without a suffix, below the folder of results."""
        return f"{self.store[:SHORT]}/{self.task[:SHORT]}"


@dataclass(frozen=True)
class Results:
    """The results in one folder; every write is atomic, and writing twice changes no byte."""

    folder: Path

    def state(self, unit: Unit) -> State:
        """Whether a unit has numbers, an error, or neither."""
        if self._numbers(unit).is_file():
            return "done"
        return "failed" if self._error(unit).is_file() else "missing"

    def begin(self, unit: Unit) -> None:
        """Note that a unit is being computed, and by whom; `save` and `fail` take the note away."""
        write_json(self._begun(unit), Life.mine().as_dict())

    def is_begun(self, unit: Unit) -> bool:
        """Whether a unit was begun and did not end, as when its worker died."""
        return self._begun(unit).is_file()

    def save(
        self, unit: Unit, rows: Sequence[Metric], predictions: Mapping[str, Sequence[Any]]
    ) -> None:
        """Keep numbers and predictions; the numbers come last and mark the unit as done.

        Raises:
            Failure: two rows have one key, so that two numbers claim to be the same thing.
        """
        values = [row.as_dict() for row in rows]
        _refuse_repeated(values)
        found = None
        if predictions:
            path = self._path(unit, "parquet")
            atomic_write(path, _parquet(predictions))
            found = file_digest(path)
        self._begun(unit).unlink(missing_ok=True)
        write_json(self._numbers(unit), {"predictions_sha256": found, "rows": values})
        self._error(unit).unlink(missing_ok=True)

    def fail(self, unit: Unit, error: str, trace: str = "") -> None:
        """Keep an error; numbers that an earlier job found stay where they are."""
        write_json(self._error(unit), {"error": error, "trace": trace})
        self._begun(unit).unlink(missing_ok=True)

    def rows(self, unit: Unit) -> list[dict[str, Any]]:
        """Return the numbers of a unit that is done."""
        return list(json.loads(self._numbers(unit).read_text())["rows"])

    def predictions(self, unit: Unit) -> str | None:
        """Return where the predictions of a unit lie, from the job's folder; None without any."""
        path = self._path(unit, "parquet")
        return f"{self.folder.name}/{unit.stem}.parquet" if path.is_file() else None

    def error(self, unit: Unit) -> str | None:
        """Return the one-line error of the last attempt at a unit; None where it did not fail."""
        path = self._error(unit)
        return str(json.loads(path.read_text())["error"]) if path.is_file() else None

    def _numbers(self, unit: Unit) -> Path:
        return self._path(unit, "json")

    def _error(self, unit: Unit) -> Path:
        return self._path(unit, "error.json")

    def _begun(self, unit: Unit) -> Path:
        return self._path(unit, "begun")

    def _path(self, unit: Unit, suffix: str) -> Path:
        return self.folder / f"{unit.stem}.{suffix}"


KEY = (
    "task", "query", "gallery", "relation", "label", "metric", "k", "split", "model", "average",
    "rank", "pool", "subgroup", "score", "prompts",
)  # fmt: skip
"""The columns that say which number a row is."""


def _refuse_repeated(rows: Sequence[Mapping[str, Any]]) -> None:
    seen: set[str] = set()
    for row in rows:
        key = json.dumps([row[name] for name in KEY])
        if key in seen:
            raise Failure(f"two metric rows have one key: {key}")
        seen.add(key)


def _parquet(columns: Mapping[str, Sequence[Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet

    stream = io.BytesIO()
    table = pa.table({name: list(values) for name, values in columns.items()})
    pa.parquet.write_table(table, stream, compression="zstd")
    return stream.getvalue()
