"""Reads the text of a DICOM structured report: its content tree, without people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.errors import BadInput

DEPTH_LIMIT = 64
ITEM_LIMIT = 100_000
# relationships that say who reported, when and on what, rather than what was seen
_CONTEXT = {"HAS OBS CONTEXT", "HAS ACQ CONTEXT"}


def read_sr(path: Path, name: str) -> list[tuple[str, str]]:
    """Return (heading, text) of every text and code item, in document order.

    The heading of an item is its own concept name or that of the nearest container above it.

    Raises:
        BadInput: not DICOM, not a structured report, or a tree past the limits.
    """
    # here, because pydicom takes a third of a second to import and most reports are text
    from modalities.dicom import open_dicom

    dataset = open_dicom(path, name)
    if "ContentSequence" not in dataset:
        raise BadInput(
            "E-TXT-104", file=name, field="ContentSequence (0040,A730)",
            found=f"nothing in an object of modality {str(dataset.get('Modality', 'none'))[:16]}",
            expected="a structured report (modality SR)",
        )  # fmt: skip
    pairs = []
    for count, pair in enumerate(_walk(dataset, "", 0, name)):
        if count >= ITEM_LIMIT:
            raise _too_much(name, f"more than {ITEM_LIMIT} items")
        pairs.append(pair)
    return pairs


def _walk(node: Any, heading: str, depth: int, name: str) -> Iterator[tuple[str, str]]:
    """Yield what the items under a node say, children after their parent."""
    if depth > DEPTH_LIMIT:
        raise _too_much(name, f"more than {DEPTH_LIMIT} levels")
    for item in node.get("ContentSequence", None) or ():
        if item.get("RelationshipType", "") in _CONTEXT:
            continue
        concept = _meaning(item.get("ConceptNameCodeSequence", None))
        text = _value(item)
        if text:
            yield (concept or heading, text)
        is_container = item.get("ValueType", "") == "CONTAINER"
        yield from _walk(item, concept if is_container and concept else heading, depth + 1, name)


def _value(item: Any) -> str:
    """Return what a text, code or measurement item says; people, dates and UIDs say nothing."""
    kind = item.get("ValueType", "")
    if kind == "TEXT":
        return str(item.get("TextValue", "") or "")
    if kind == "CODE":
        return _meaning(item.get("ConceptCodeSequence", None))
    if kind == "NUM":
        measured = item.get("MeasuredValueSequence", None)
        if measured:
            unit = measured[0].get("MeasurementUnitsCodeSequence", None)
            label = _meaning(item.get("ConceptNameCodeSequence", None))
            symbol = str(unit[0].get("CodeValue", "")) if unit else ""
            return f"{label} {measured[0].get('NumericValue', '')} {symbol}".strip()
    return ""


def _meaning(sequence: Any) -> str:
    return str(sequence[0].get("CodeMeaning", "") or "").strip() if sequence else ""


def _too_much(name: str, found: str) -> BadInput:
    return BadInput(
        "E-TXT-105", file=name, field="content tree", found=found,
        expected=f"at most {DEPTH_LIMIT} levels and {ITEM_LIMIT} items",
    )  # fmt: skip
