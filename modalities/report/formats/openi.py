"""Reads the sections of an OpenI (Indiana University) chest X-ray report in XML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.errors import BadInput

SECTIONS: Mapping[str, str] = {
    "FINDINGS": "findings",
    "IMPRESSION": "impression",
    "INDICATION": "indication",
    "COMPARISON": "comparison",
}


def parse_xml(data: bytes, name: str) -> Any:
    """Return the root element of an XML document; entities and external references are refused.

    Raises:
        BadInput: not well-formed, or it declares entities.
    """
    from xml.parsers.expat import ExpatError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        return fromstring(data, forbid_dtd=False)
    except DefusedXmlException as cause:
        found = f"a forbidden construct ({type(cause).__name__})"
    except (ParseError, ExpatError, ValueError, LookupError) as cause:
        place = getattr(cause, "position", None)
        found = f"malformed XML at line {place[0]}" if place else "malformed XML"
    raise BadInput(
        "E-TXT-102", file=name, field="XML", found=found, expected="well-formed XML, no entities"
    )


def read_openi(data: bytes, name: str) -> list[tuple[str, str]]:
    """Return (section, text) of every AbstractText.

    Raises:
        BadInput: malformed XML, or another document than an OpenI report.
    """
    root = parse_xml(data, name)
    if root.tag != "eCitation":
        raise BadInput(
            "E-TXT-103", file=name, field="root element", found=str(root.tag)[:60],
            expected="eCitation (an OpenI report)",
        )  # fmt: skip
    return sections_of(root)


def sections_of(root: Any) -> list[tuple[str, str]]:
    """Return (section, text) of every labelled AbstractText under an element."""
    return [
        (SECTIONS.get((item.get("Label") or "").strip().upper(), "other"), "".join(item.itertext()))
        for item in root.iter("AbstractText")
    ]
