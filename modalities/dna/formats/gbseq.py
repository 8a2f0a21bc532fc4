"""Reads the sequences of INSDC GBSeq XML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from modalities.dna.formats.record import Record
from modalities.dna.formats.stream import Text, too_long
from workbench.errors import BadInput

_NAMES = ("GBSeq_accession-version", "GBSeq_primary-accession", "GBSeq_locus")


def records(text: Text) -> Iterator[Record]:
    """Yield the records, named by accession and version, accession, and locus.

    Entities and external references are refused, so no file and no network is reached.

    Raises:
        BadInput: the XML is broken, hostile, or holds no GBSeq record.
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    content = "\n".join(text.lines(lone_cr=False))
    try:
        root = fromstring(content.strip().encode())
    except DefusedXmlException as cause:
        raise _broken(text, type(cause).__name__, "XML without entities") from None
    except ParseError:
        raise _broken(text, "XML that is not well formed", "GBSeq XML") from None
    found = root.iter("GBSeq")
    first = next(found, None)
    if first is None:
        raise _broken(text, f"<{root.tag[-60:]}> without GBSeq", "GBSet/GBSeq")
    yield _record(first, text)
    for element in found:
        yield _record(element, text)


def _record(element: Any, text: Text) -> Record:
    """Return the record of one GBSeq element."""
    names = [(element.findtext(tag) or "").strip() for tag in _NAMES]
    letters = (element.findtext("GBSeq_sequence") or "").strip()
    declared = (element.findtext("GBSeq_length") or "").strip()
    if len(letters) > text.letters_limit:
        raise too_long(text.name, len(letters), text.letters_limit, "GBSeq_sequence")
    if declared.isdecimal() and letters and int(declared) != len(letters):
        raise _broken(text, f"{len(letters)} letters", f"{int(declared)} letters (GBSeq_length)")
    return Record(tuple(dict.fromkeys(name for name in names if name)), letters)


def _broken(text: Text, found: str, expected: str) -> BadInput:
    return BadInput("E-DNA-103", file=text.name, field="XML", found=found, expected=expected)
