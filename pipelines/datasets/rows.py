"""Reads the tables of published datasets as text, writes manifest tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import Refusal, did_you_mean
from workbench.seeding import keyed_rng

if TYPE_CHECKING:
    import pyarrow as pa

FIELD_LIMIT = 1_000_000
SIZE_LIMIT = 4 << 30


def read_rows(
    path: Path, needed: Sequence[str], *, layout: str
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, row) of a CSV file, every cell text, white space as written.

    Args:
        path: file to read; UTF-8, with or without a byte order mark, else Windows-1252.
        needed: columns that must be there.
        layout: what the dataset's folder should look like, for the message.

    Raises:
        Refusal: the file or a column is missing, or a row has another number of cells.
    """
    if not path.is_file():
        raise Refusal(
            "E-MAN-101", file=path.name, field="file", found="no such file", expected=layout
        )
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    previous = csv.field_size_limit(FIELD_LIMIT)
    try:
        columns = next(reader, [])
        _refuse_missing(path.name, columns, needed)
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(columns):
                raise Refusal(
                    "E-TXT-018", file=f"{path.name}:{reader.line_num}", field="row",
                    found=f"{len(cells)} cells", expected=f"{len(columns)}",
                )  # fmt: skip
            yield reader.line_num, dict(zip(columns, cells, strict=True))
    except csv.Error as cause:
        raise Refusal(
            "E-TXT-018", file=f"{path.name}:{reader.line_num}", field="row", found=str(cause),
            expected="valid CSV with commas and quoted newlines",
        ) from None  # fmt: skip
    finally:
        csv.field_size_limit(previous)


def to_table(rows: Sequence[Mapping[str, str | None]], columns: Sequence[str]) -> pa.Table:
    """Return rows as a table of text columns in the order given; "" becomes missing."""
    import pyarrow as pa

    return pa.table(
        {name: pa.array([row.get(name) or None for row in rows], pa.string()) for name in columns}
    )


def split_groups(
    groups: Mapping[str, str], *, seed: int, shares: tuple[float, float] = (0.7, 0.1)
) -> dict[str, str]:
    """Return group -> train, val or test; every label is spread over the three where it can be.

    Args:
        groups: group -> label it is stratified by (the same label for all = no strata).
        seed: of the order in which groups are dealt.
        shares: of train and val; the rest is test.
    """
    strata: dict[str, list[str]] = {}
    for group in sorted(groups):
        strata.setdefault(groups[group], []).append(group)
    splits: dict[str, str] = {}
    for label, members in sorted(strata.items()):
        order = keyed_rng(seed, "split", label).permutation(len(members))
        n_train, n_val = _counts(len(members), shares)
        for place, index in enumerate(order):
            name = "train" if place < n_train else "val" if place < n_train + n_val else "test"
            splits[members[int(index)]] = name
    return splits


def _counts(n: int, shares: tuple[float, float]) -> tuple[int, int]:
    """Return how many of n groups train and validate; test gets one before validation does."""
    if n < 3:
        return (1, 0) if n == 2 else (n, 0)
    n_val = max(1, round(shares[1] * n))
    n_test = max(1, round((1 - shares[0] - shares[1]) * n))
    return max(1, n - n_val - n_test), n_val


def _text(path: Path) -> str:
    """Return a table's text."""
    if path.stat().st_size > SIZE_LIMIT:
        raise Refusal(
            "E-MAN-016", file=path.name, field="size", found=f"{path.stat().st_size} bytes",
            expected=f"at most {SIZE_LIMIT}",
        )  # fmt: skip
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as utf8:
        try:
            return data.decode("cp1252")
        except UnicodeDecodeError:
            raise Refusal(
                "E-MAN-017", file=path.name, field=f"byte {utf8.start}", found="no valid UTF-8",
                expected="a table in UTF-8",
            ) from None  # fmt: skip


def _refuse_missing(name: str, columns: Sequence[str], needed: Sequence[str]) -> None:
    for column in needed:
        if column not in columns:
            raise Refusal(
                "E-MAN-014", file=name, field="columns", found=f"no column {column!r}",
                expected=f"{list(needed)}{did_you_mean(column, columns)}",
            )  # fmt: skip
