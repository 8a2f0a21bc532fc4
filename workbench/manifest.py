"""The manifest: which rows there are, whose they are, in which split, with what cells."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.config import ManifestConfig, SplitShares
from workbench.errors import Refusal, did_you_mean
from workbench.seeding import derive_seed

if TYPE_CHECKING:
    import pyarrow as pa

Cell = str | None

_FIELD = re.compile(r"\{([^{}]+)\}")
SHOWN = 20


@dataclass(frozen=True)
class Manifest:
    """A validated table; every value is text or None.

    Attributes:
        name: how messages call it.
        ids: unique row ids, in the table's order.
        groups: patient or specimen of each row.
        splits: split of each row.
        columns: every column of the table by name.
        root: folder that paths in cells start from; None when there is none.
        source: dataset name, licence and citation, for the report.
        rejected: source records an adapter left out, by reason.
    """

    name: str
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    splits: tuple[str, ...]
    columns: Mapping[str, tuple[Cell, ...]]
    root: Path | None = None
    source: str = ""
    rejected: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def column(self, name: str) -> tuple[Cell, ...]:
        """Return a column. Raises Refusal with the nearest name when it is missing."""
        if name not in self.columns:
            raise _unknown_column(self.name, name, self.columns)
        return self.columns[name]

    def filled(self, template: str) -> tuple[Cell, ...]:
        """Return a text per row made from columns; a missing field drops its word.

        >>> m = Manifest("m", ("a",), ("a",), ("test",), {"genus": ("Apis",), "species": (None,)})
        >>> m.filled("{genus} {species}")
        ('Apis',)
        """
        names = _FIELD.findall(template)
        parts = {name: self.column(name) for name in names}
        texts = []
        for i in range(len(self)):
            text = _FIELD.sub(lambda m, i=i: parts[m[1]][i] or "", template)  # type: ignore[misc]
            filled = any(parts[name][i] for name in names)
            texts.append(" ".join(text.split()) if filled or not names else None)
        return tuple(texts)

    def limited(self, count: int) -> Manifest:
        """Return about `count` rows: whole groups from every split, drawn by their hash."""
        order = sorted(set(self.groups), key=lambda g: derive_seed("limit", g))
        share = min(1.0, count / max(len(self), 1))
        keep: set[str] = set()
        for split in sorted(set(self.splits)):
            mine = {g for g, s in zip(self.groups, self.splits, strict=True) if s == split}
            ranked = [g for g in order if g in mine]
            keep |= set(ranked[: max(1, round(share * len(ranked)))])
        return self.rows([i for i, g in enumerate(self.groups) if g in keep])

    def rows(self, positions: Sequence[int]) -> Manifest:
        """Return the manifest of some rows, in the order given."""
        columns = {name: tuple(c[i] for i in positions) for name, c in self.columns.items()}
        return replace(
            self, columns=columns, ids=tuple(self.ids[i] for i in positions),
            groups=tuple(self.groups[i] for i in positions),
            splits=tuple(self.splits[i] for i in positions),
        )  # fmt: skip

    def digest(self) -> str:
        """Return the sha256 of ids, groups, splits and columns, independent of the root."""
        hasher = hashlib.sha256()
        for part in (self.ids, self.groups, self.splits):
            hasher.update(json.dumps(part).encode())
        for name in sorted(self.columns):
            hasher.update(json.dumps([name, self.columns[name]]).encode())
        return hasher.hexdigest()


def read_manifest(path: Path, config: ManifestConfig, *, seed: int) -> Manifest:
    """Read a CSV, TSV or Parquet manifest.

    Raises:
        Refusal: unreadable table, missing column, empty or repeated id, a group in two splits.
    """
    table = _read_table(path)
    root = Path(config.root) if config.root else path.parent
    if not root.is_absolute():
        root = path.parent / root
    return from_table(table, config, seed=seed, name=path.name, root=root)


def from_table(
    table: pa.Table, config: ManifestConfig, *, seed: int, name: str, root: Path | None
) -> Manifest:
    """Validate a table of text columns as a manifest; `root` is where its paths start."""
    missing = set(config.missing) | {""}
    columns = {
        column: tuple(_cell(v, missing) for v in table.column(column).to_pylist())
        for column in table.column_names
    }
    ids = _required(name, columns, config.id, "id")
    groups = _required(name, columns, config.group, "group")
    if isinstance(config.split, SplitShares):
        splits = tuple(_drawn_split(g, config.split, seed) for g in groups)
    else:
        splits = _required(name, columns, config.split, "split")
    _refuse_repeated(name, config.id, ids)
    _refuse_crossing(name, groups, splits)
    return Manifest(name, ids, groups, splits, columns, root)


def _read_table(path: Path) -> pa.Table:
    """Read every column as text, so that `00123` and `NA` stay what they are."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    if not path.is_file():
        raise Refusal("E-MAN-007", file=str(path), field="manifest", found="no such file",
                      expected="a CSV, TSV or Parquet table")  # fmt: skip
    try:
        parquet = path.suffix == ".parquet"
        table = pa.parquet.read_table(path) if parquet else _read_delimited(path)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise Refusal("E-MAN-017", file=path.name, field="table", found=str(error)[:160],
                      expected="a readable table") from None  # fmt: skip
    fields = [pa.field(n, pa.string()) for n in table.column_names]
    return table.cast(pa.schema(fields))


def _read_delimited(path: Path) -> pa.Table:
    import csv
    import gzip

    import pyarrow.csv

    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
        first = stream.readline()
    delimiter = "\t" if "\t" in first else ";" if first.count(";") > first.count(",") else ","
    names = next(csv.reader([first], delimiter=delimiter))
    strings = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(names, "string"), strings_can_be_null=True, null_values=[]
    )
    parse = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    return pyarrow.csv.read_csv(str(path), parse_options=parse, convert_options=strings)


def _cell(value: str | None, missing: set[str]) -> Cell:
    """Trim and normalise a cell; NFC so that equal words are equal."""
    if value is None:
        return None
    text = unicodedata.normalize("NFC", value).strip()
    return None if text in missing else text


def _required(
    name: str, columns: Mapping[str, tuple[Cell, ...]], column: str, role: str
) -> tuple[str, ...]:
    if column not in columns:
        raise _unknown_column(name, column, columns, role)
    values = columns[column]
    empty = [i + 1 for i, v in enumerate(values) if not v]
    if empty:
        raise Refusal("E-MAN-014", file=name, field=f"{role} column {column!r}",
                      found=f"{len(empty)} empty cells, first in data row {empty[0]}",
                      expected="a value in every row")  # fmt: skip
    return tuple(v for v in values if v)


def _unknown_column(
    name: str, column: str, known: Iterable[str], role: str = "manifest"
) -> Refusal:
    names = list(known)
    return Refusal(
        "E-MAN-014", file=name, field=f"{role} column", found=f"no column {column!r}",
        expected=f"one of {names}{did_you_mean(column, names)}",
    )  # fmt: skip


def _refuse_repeated(name: str, column: str, ids: Sequence[str]) -> None:
    seen: set[str] = set()
    repeated = [i for i in ids if i in seen or seen.add(i)]  # type: ignore[func-returns-value]
    if repeated:
        raise Refusal("E-MAN-006", file=name, field=f"id column {column!r}",
                      found=f"{len(repeated)} repeated ids, first {repeated[:SHOWN]}",
                      expected="a unique id per row")  # fmt: skip


def _refuse_crossing(name: str, groups: Sequence[str], splits: Sequence[str]) -> None:
    """Refuse a patient who is in two splits: every number would be wrong."""
    first: dict[str, str] = {}
    crossing = sorted(
        {g for g, s in zip(groups, splits, strict=True) if first.setdefault(g, s) != s}
    )
    if crossing:
        raise Refusal("E-MAN-001", file=name, field="split",
                      found=f"{len(crossing)} groups in two splits, first {crossing[:SHOWN]}",
                      expected="each group in one split",
                      fix="split: {train: 0.7, val: 0.1, test: 0.2} draws by group.")  # fmt: skip


def _drawn_split(group: str, shares: SplitShares, seed: int) -> str:
    """Draw a group's split from its own hash, so that a new group moves no other."""
    draw = derive_seed(seed, "split", group) / 2**64
    if draw < shares.train:
        return "train"
    return "val" if draw < shares.train + shares.val else "test"
