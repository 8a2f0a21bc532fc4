"""Reads one manifest cell: a sequence written in the cell, or a record of a file."""

from __future__ import annotations

from modalities.dna.alphabet import AMBIGUOUS, GAPS
from modalities.dna.clean import clean
from modalities.dna.formats.stream import Text
from modalities.dna.options import DnaOptions
from modalities.dna.records import named_record, only_record
from workbench.errors import BadInput
from workbench.modality import Sample, Source
from workbench.paths import resolve_inside

_LETTERS = f"ACGTUN{AMBIGUOUS}{GAPS} \t\r\n"
_DROP = str.maketrans("", "", _LETTERS + _LETTERS.lower())
_MARKS = ("/", "\\", ".", "#", ":", "\0")
SHOWN = 120
LONGEST_LETTER_NAME = 40


def read(source: Source, options: DnaOptions) -> Sample:
    """Decode a sequence in the cell, `file`, or `file#record`.

    A cell that holds nothing but DNA letters, gaps and spaces is a sequence (with dots only if it is
    longer than any file name such as `a.d` would be). Any other cell with a slash, dot, colon or
    hash is a path; what is left is a sequence with letters that are refused.

    Raises:
        BadInput: whatever cannot be trusted.
    """
    value = source.value
    if _is_sequence(value):
        return clean(value, options, name=f"<sequence, {len(value)} characters>")
    file, record = _parted(source)
    path = resolve_inside(file, source.root)
    if not path.is_file():
        raise BadInput(
            "E-MAN-007", file=file, field="file", found="a folder", expected="a readable file"
        )
    name = Source(file, source.root).name
    text = Text(path, name, options.max_content_mb << 20, options.max_letters)
    flags = ("F-DNA-003 byte order mark",) if text.marked() else ()
    if record is None:
        return clean(only_record(text, options).letters, options, name=name, flags=flags)
    found, more = named_record(text, record, options)
    return clean(found.letters, options, name=f"{name}#{record[:SHOWN]}", flags=(*flags, *more))


def _is_sequence(value: str) -> bool:
    """Return whether a cell is meant as a sequence."""
    if not value.translate(_DROP):
        return "." not in value or len(value) > LONGEST_LETTER_NAME
    return not any(mark in value for mark in _MARKS)


def _parted(source: Source) -> tuple[str, str | None]:
    """Part `file#record`; a file whose own name holds a hash is taken whole."""
    file, hash_, record = source.value.partition("#")
    if not hash_:
        return file, None
    return (source.value, None) if _is_file(source) else (file, record)


def _is_file(source: Source) -> bool:
    """Return whether the whole cell names an existing file inside the root."""
    try:
        return source.path().is_file()
    except BadInput:
        return False
