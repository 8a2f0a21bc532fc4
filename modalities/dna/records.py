"""Finds the record that a cell names in a file, each file being parsed once per process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from modalities.dna.formats.record import Record
from modalities.dna.formats.stream import Text
from modalities.dna.options import DnaOptions
from workbench.errors import BadInput, did_you_mean

CACHED_FILES = 4
CACHED_LETTERS = 64_000_000
"""A file with more letters is streamed for every look-up, so that memory stays flat."""
CACHED_RECORDS = 200_000
SUGGEST_UP_TO = 2_000


class _Stamp(NamedTuple):
    """What tells one state of a file from another."""

    modified_ns: int
    bytes: int


def only_record(text: Text, options: DnaOptions) -> Record:
    """Return the one record of a file.

    Raises:
        BadInput: there is none, or more than one.
    """
    found = _records(text, options)
    first = next(found, None)
    if first is None:
        raise _none(text)
    if next(found, None) is not None:
        raise BadInput(
            "E-DNA-101", file=text.name, field="records", found="more than one",
            expected="one record, or its name after '#'", fix=f"Write {text.name}#NAME in the cell.",
        )  # fmt: skip
    return _of_marker(text, first, options)


def named_record(text: Text, name: str, options: DnaOptions) -> tuple[Record, tuple[str, ...]]:
    """Return the record that a cell names, and the flags of its name.

    Raises:
        BadInput: no such record, or several of one name with different sequences.
    """
    index = _index(text, options, _stamp(text))
    found = _streamed(text, name, options) if index is None else index.get(name)
    if not found:
        near = did_you_mean(name, index) if index and len(index) <= SUGGEST_UP_TO else ""
        raise BadInput(
            "E-DNA-101", file=text.name, field="record", found=f"no record {name[:80]!r}{near}",
            expected="the name of a record, its first word, or what stands before the first '|'",
        )  # fmt: skip
    wanted = [r for r in found if r.marker in ("", options.marker)] or found
    if len({record.letters for record in wanted}) > 1:
        raise BadInput(
            "E-DNA-004", file=text.name, field=f"record {name[:80]!r}",
            found=f"{len(wanted)} records with different sequences", expected="one record per name",
        )  # fmt: skip
    flags = ("F-DNA-004 duplicate record",) if len(wanted) > 1 else ()
    return _of_marker(text, wanted[0], options), flags


def _of_marker(text: Text, record: Record, options: DnaOptions) -> Record:
    """Return the record, refusing one of another gene."""
    if record.marker not in ("", options.marker):
        raise BadInput(
            "E-DNA-105", file=text.name, field="marker", found=record.marker[:40],
            expected=options.marker, fix="Set marker in the options.",
        )  # fmt: skip
    return record


@lru_cache(maxsize=CACHED_FILES)
def _index(
    text: Text, options: DnaOptions, stamp: _Stamp
) -> Mapping[str, tuple[Record, ...]] | None:
    """Return the records of a file by each of their names; None where they are too many to keep."""
    del stamp
    index: dict[str, tuple[Record, ...]] = {}
    letters = 0
    for count, record in enumerate(_records(text, options), start=1):
        letters += len(record.letters)
        if letters > CACHED_LETTERS or count > CACHED_RECORDS:
            return None
        for name in record.names:
            index[name] = (*index.get(name, ())[:8], record)
    if not index:
        raise _none(text)
    return index


def _streamed(text: Text, name: str, options: DnaOptions) -> tuple[Record, ...]:
    """Return the records of a name by reading the whole file."""
    return tuple(record for record in _records(text, options) if name in record.names)


def _stamp(text: Text) -> _Stamp:
    """Return the state of a file, so that a changed file is parsed again."""
    state = text.path.stat()
    return _Stamp(state.st_mtime_ns, state.st_size)


def _records(text: Text, options: DnaOptions) -> Iterator[Record]:
    """Yield the records of a file, its format told by its content."""
    from modalities.dna.formats import fasta, fastq, gbseq, genbank, table

    head = text.head().lstrip()
    first = head.split(b"\n", 1)[0]
    if not head:
        raise _none(text)
    if head.startswith(b">"):
        yield from fasta.records(text)
    elif head.startswith(b"@"):
        yield from fastq.records(text)
    elif first.startswith(b"LOCUS "):
        yield from genbank.records(text)
    elif head.startswith(b"<"):
        yield from gbseq.records(text)
    elif b"\n>" in head or b"\r>" in head:
        yield from fasta.records(text)
    elif b"\t" in first or b"," in first:
        yield from table.records(
            text, id_column=options.id_column, sequence_column=options.sequence_column
        )
    else:
        yield _plain(text)


def _plain(text: Text) -> Record:
    """Return the sequence of a file that holds letters and nothing else."""
    letters = "".join(line.strip() for line in text.lines(lone_cr=True))
    if not letters.isalpha():
        raise BadInput(
            "E-DNA-100", file=text.name, field="content", found="an unknown format",
            expected="FASTA, FASTQ, GenBank, GBSeq XML, TSV, CSV or plain letters",
        )  # fmt: skip
    return Record(("",), letters)


def _none(text: Text) -> BadInput:
    return BadInput(
        "E-DNA-001", file=text.name, field="content", found="0 records", expected="1 or more"
    )
