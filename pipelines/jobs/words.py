"""Reads the words of a store: ids and prompt texts, from a table or a list of lines."""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from pipelines.jobs.arrays import existing
from workbench.errors import Refusal, did_you_mean

SHOWN = 3


def read_words(folder: Path, name: str, column: str) -> tuple[str, ...]:
    """Return one text per row, trimmed and in NFC as a manifest's cells are.

    Args:
        folder: where the file's name starts from.
        name: a .csv, .tsv or .parquet table, a .json list, or a .txt of lines.
        column: column of a table.

    Raises:
        Refusal: no such file or column, an empty cell, or a text that occurs twice.
    """
    path = existing(folder, name)
    raw = _raw(path, column)
    words = tuple(unicodedata.normalize("NFC", str(word or "")).strip() for word in raw)
    empty = [n + 1 for n, word in enumerate(words) if not word]
    if empty:
        raise Refusal("E-EMB-005", file=path.name, field=column, expected="a text in every row",
                      found=f"{len(empty)} empty cells, first in row {empty[0]}")  # fmt: skip
    seen: set[str] = set()
    twice = [w for w in words if w in seen or seen.add(w)]  # type: ignore[func-returns-value]
    if twice:
        raise Refusal("E-EMB-006", file=path.name, field=column, expected="each once",
                      found=f"{len(twice)} repeated, first {twice[:SHOWN]}")  # fmt: skip
    return words


def column_of(folder: Path, name: str, column: str) -> tuple[str, ...] | None:
    """Return a column that a Parquet or delimited table may have; None where it has not."""
    path = existing(folder, name)
    if path.suffix in (".txt", ".json"):
        return None
    found = _table(path, column)
    return None if found is None else tuple(str(value) for value in found)


def _raw(path: Path, column: str) -> Sequence[object]:
    try:
        if path.suffix == ".txt":
            return path.read_text(encoding="utf-8-sig").splitlines()
        if path.suffix == ".json":
            return _listed(json.loads(path.read_text(encoding="utf-8")), path)
        found = _table(path, column)
    except (UnicodeDecodeError, json.JSONDecodeError) as cause:
        raise Refusal("E-EMB-002", file=path.name, field="text", found=type(cause).__name__,
                      expected="UTF-8 text") from None  # fmt: skip
    if found is None:
        names = _names(path)
        raise Refusal("E-EMB-005", file=path.name, field="column", found=f"no {column!r}",
                      expected=f"one of {names}{did_you_mean(column, names)}")  # fmt: skip
    return found


def _listed(value: object, path: Path) -> list[object]:
    if not isinstance(value, list):
        raise Refusal("E-EMB-005", file=path.name, field="JSON", found=type(value).__name__,
                      expected="a list of texts")  # fmt: skip
    return value


def _table(path: Path, column: str) -> list[object] | None:
    if column not in _names(path):
        return None
    if path.suffix == ".parquet":
        import pyarrow.parquet

        return list(pyarrow.parquet.read_table(path, columns=[column]).column(0).to_pylist())
    with open(path, encoding="utf-8-sig", newline="") as stream:
        return [row[column] for row in csv.DictReader(stream, delimiter=_delimiter(path))]


def _names(path: Path) -> list[str]:
    """Return the columns of a table."""
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet

        try:
            return list(pa.parquet.read_schema(path).names)
        except pa.ArrowInvalid as cause:
            raise Refusal("E-EMB-002", file=path.name, field="parquet", found=str(cause)[:120],
                          expected="an undamaged table") from None  # fmt: skip
    if path.suffix not in (".csv", ".tsv"):
        raise Refusal("E-EMB-002", file=path.name, field="format", found=path.suffix or "no suffix",
                      expected=".csv, .tsv, .parquet, .json or .txt")  # fmt: skip
    with open(path, encoding="utf-8-sig", newline="") as stream:
        return next(csv.reader(stream, delimiter=_delimiter(path)), [])


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","
