"""Reads FASTA records."""

from __future__ import annotations

from collections.abc import Iterator

from modalities.dna.formats.record import Record
from modalities.dna.formats.stream import Text, too_long
from workbench.errors import BadInput


def records(text: Text) -> Iterator[Record]:
    """Yield the records one by one.

    Raises:
        BadInput: text before the first ">", or a record with too many letters.
    """
    from Bio.SeqIO.FastaIO import SimpleFastaParser

    for title, letters in SimpleFastaParser(_checked(text)):  # type: ignore[no-untyped-call]
        yield Record(names_of(title), letters)


def names_of(title: str) -> tuple[str, ...]:
    """Return what a record may be called: its title, first word, first field between pipes.

    >>> names_of("GCOL1-16|Abax ater|COI-5P")
    ('GCOL1-16|Abax ater|COI-5P', 'GCOL1-16|Abax', 'GCOL1-16')
    """
    first = title.split(maxsplit=1)[0] if title.strip() else ""
    return tuple(dict.fromkeys((title.strip(), first, title.split("|", 1)[0].strip())))


def _checked(text: Text) -> Iterator[str]:
    """Yield the lines that belong to records, counting letters before they are joined."""
    begun, letters = False, 0
    for number, line in enumerate(text.lines(lone_cr=True), start=1):
        if line.startswith(">"):
            begun, letters = True, 0
        elif not line.strip() or (line.startswith(";") and not begun):
            continue
        elif not begun:
            raise BadInput(
                "E-DNA-002", file=text.name, field=f"line {number}",
                found="text before the first '>'", expected="a '>' line",
            )  # fmt: skip
        else:
            letters += len(line)
            if letters > text.letters_limit:
                raise too_long(text.name, letters, text.letters_limit, f"record at line {number}")
        yield line
