"""Reads sequences from a column of a TSV or CSV table, BOLD's exports among them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

from modalities.dna.formats.record import Record
from modalities.dna.formats.stream import Text, too_long
from workbench.errors import BadInput

ID_NAMES = (
    "processid", "recordid", "materialsampleid", "sampleid", "accession", "genbankaccession",
    "sequenceid", "id", "name",
)  # fmt: skip
SEQUENCE_NAMES = (
    "nucleotides", "nucraw", "nuc", "dnabarcode", "consensussequence", "sequence", "seq", "dna",
    "barcode", "code",
)  # fmt: skip
MARKER_NAMES = ("markercode", "marker")


def records(
    text: Text, *, id_column: str | None = None, sequence_column: str | None = None
) -> Iterator[Record]:
    """Yield the rows one by one; column names are matched without case, prefix or punctuation.

    Args:
        text: the file; tabs in its first line make it a TSV (no quoting), otherwise a CSV.
        id_column: column of the record names; by the usual names when None.
        sequence_column: column of the sequences; by the usual names when None.

    Raises:
        BadInput: a column is missing, a quote is not closed, or a sequence has too many letters.
    """
    rows = _rows(text)
    header = next(rows, [])
    sequence = _column(text, header, SEQUENCE_NAMES, sequence_column)
    name = _column(text, header, ID_NAMES, id_column)
    marker = next(
        (i for want in MARKER_NAMES for i, key in enumerate(header) if _key(key) == want), None
    )
    for row in rows:
        if not any(row):
            continue
        letters = _cell(row, sequence)
        if len(letters) > text.letters_limit:
            raise too_long(text.name, len(letters), text.letters_limit, header[sequence])
        label = _cell(row, name).lstrip(">")
        yield Record((label,), "" if letters == "None" else letters, _cell(row, marker))


def _rows(text: Text) -> Iterator[list[str]]:
    """Yield header and rows as cells."""
    lines = text.lines(lone_cr=False)
    first = next(lines, "")
    if "\t" in first:
        yield first.split("\t")
        for line in lines:
            yield line.split("\t")
        return

    def again() -> Iterator[str]:
        yield first + "\n"
        for line in lines:
            yield line + "\n"

    try:
        yield from csv.reader(again(), strict=True)
    except csv.Error as cause:
        raise BadInput(
            "E-DNA-102", file=text.name, field="CSV", found=str(cause), expected="closed quotes"
        ) from None


def _column(text: Text, header: Sequence[str], known: Sequence[str], wanted: str | None) -> int:
    """Return the number of a column: the one wanted, or the first of the known names present."""
    if wanted is not None:
        if wanted in header:
            return list(header).index(wanted)
        known = (wanted,)
    else:
        keys = [_key(name) for name in header]
        for name in known:
            if name in keys:
                return keys.index(name)
    raise BadInput(
        "E-DNA-102", file=text.name, field="header", found=f"{len(header)} columns without a match",
        expected=f"a column named one of {list(known)}",
        fix="Set id_column and sequence_column in the options.",
    )  # fmt: skip


def _key(name: str) -> str:
    """Reduce a column name to what is compared.

    >>> _key("dwc:materialSampleID"), _key("Process ID")
    ('materialsampleid', 'processid')
    """
    return re.sub(r"[^a-z0-9]", "", name.rsplit(":", 1)[-1].lower())


def _cell(row: Sequence[str], column: int | None) -> str:
    """Return a cell, empty where the row is too short."""
    return row[column].strip() if column is not None and column < len(row) else ""
