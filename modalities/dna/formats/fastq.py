"""Reads FASTQ records; the qualities are checked for length only."""

from __future__ import annotations

from collections.abc import Iterator

from modalities.dna.formats.fasta import names_of
from modalities.dna.formats.record import Record
from modalities.dna.formats.stream import Text, too_long
from workbench.errors import BadInput


def records(text: Text) -> Iterator[Record]:
    """Yield the records one by one; sequences and qualities may span lines.

    Raises:
        BadInput: a record breaks the format (its number is named) or has too many letters.
    """
    lines = (line for line in text.lines(lone_cr=True))
    title: str | None = next((line for line in lines if line), None)
    number = 0
    while title is not None:
        number += 1
        if not title.startswith("@"):
            raise _broken(text, number, "a title line without '@'")
        letters, plus = _sequence(text, lines, number)
        if plus not in ("+", "+" + title[1:]):
            raise _broken(text, number, "another title after '+'")
        _skip_qualities(text, lines, number, len(letters))
        yield Record(names_of(title[1:]), letters)
        title = next((line for line in lines if line), None)


def _sequence(text: Text, lines: Iterator[str], number: int) -> tuple[str, str]:
    """Return the letters of a record and its '+' line."""
    parts: list[str] = []
    total = 0
    for line in lines:
        if line.startswith("+"):
            return "".join(parts), line
        parts.append(line.strip())
        total += len(line)
        if total > text.letters_limit:
            raise too_long(text.name, total, text.letters_limit, f"record {number}")
    raise _broken(text, number, "no '+' line")


def _skip_qualities(text: Text, lines: Iterator[str], number: int, length: int) -> None:
    """Read as many quality characters as there are letters."""
    seen = 0
    while seen < length:
        line = next(lines, None)
        if line is None:
            break
        seen += len(line.rstrip())
    if seen != length:
        raise _broken(text, number, f"{seen} qualities for {length} letters")


def _broken(text: Text, number: int, found: str) -> BadInput:
    return BadInput(
        "E-DNA-024", file=text.name, field=f"record {number}", found=found,
        expected="@title, letters, +, as many qualities as letters",
    )  # fmt: skip
