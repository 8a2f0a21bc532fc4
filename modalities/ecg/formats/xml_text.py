"""Opens XML that came from outside: no entities, no files, no network, and a limit on size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.files import read_bytes

_LIMIT = 64 << 20


def open_xml(path: Path, name: str) -> Any:
    """Return the root element; a document type is allowed only where it declares nothing.

    Raises:
        BadInput: entities, references outside, or text that is no XML (E-ECG-025).
    """
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    data = read_bytes(path, name=name, code="E-ECG-025", limit=_LIMIT)
    try:
        return fromstring(data, forbid_dtd=False, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as cause:
        found = f"a forbidden construct ({type(cause).__name__})"
    except (ParseError, LookupError, ValueError):
        found = "text that is no XML"
    raise BadInput(
        "E-ECG-025", file=name, field="XML", found=found, expected="XML without entities"
    ) from None


def local(element: Any) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def named(element: Any, *names: str) -> Iterator[Any]:
    """Yield the descendants reached by a path of local names, each step at any child level 1."""
    level = [element]
    for name in names:
        level = [child for parent in level for child in parent if local(child) == name]
    yield from level


def anywhere(element: Any, name: str) -> Iterator[Any]:
    """Yield every descendant of a local name, ignoring namespaces and case."""
    return (found for found in element.iter() if local(found).lower() == name.lower())


def text_of(element: Any, name: str) -> str:
    """Return the text of the first descendant of a name, or an empty string."""
    found = next(anywhere(element, name), None)
    return (found.text or "").strip() if found is not None else ""
