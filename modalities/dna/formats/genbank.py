"""Reads the sequences of GenBank flat files; features are not looked at."""

from __future__ import annotations

from collections.abc import Iterator

from modalities.dna.formats.record import Record
from modalities.dna.formats.stream import Text, too_long
from workbench.errors import BadInput


def records(text: Text) -> Iterator[Record]:
    """Yield the records one by one, named by VERSION, ACCESSION and LOCUS.

    Raises:
        BadInput: a record does not end with `//`, or has too many letters.
    """
    names: list[str] = []
    parts: list[str] = []
    declared, inside, letters = "", False, 0
    for line in text.lines(lone_cr=True):
        key, _, value = line.partition(" ")
        if key == "//":
            _refuse_short(text, declared, letters)
            yield Record(tuple(dict.fromkeys(reversed(names))), "".join(parts))
            names, parts, declared, inside, letters = [], [], "", False, 0
        elif inside:
            part = "".join(line.split()[1:])
            parts.append(part)
            letters += len(part)
            if letters > text.letters_limit:
                raise too_long(text.name, letters, text.letters_limit, "ORIGIN")
        elif key == "ORIGIN":
            inside = True
        elif key in ("LOCUS", "ACCESSION", "VERSION") and value.split():
            names.append(value.split()[0])
            declared = value.split()[1] if key == "LOCUS" and len(value.split()) > 1 else declared
    if names or parts:
        raise _broken(text, "an early end", "'//' after every record")


def _refuse_short(text: Text, declared: str, letters: int) -> None:
    """Refuse a record whose ORIGIN does not hold what LOCUS declares."""
    if declared.isdecimal() and letters and int(declared) != letters:
        raise _broken(text, f"{letters} letters", f"{int(declared)} letters (LOCUS)")


def _broken(text: Text, found: str, expected: str) -> BadInput:
    return BadInput("E-DNA-103", file=text.name, field="record", found=found, expected=expected)
