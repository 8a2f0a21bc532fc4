"""Reads the text of a FHIR DiagnosticReport in JSON."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from modalities.report.clean import decode
from workbench.errors import BadInput

_TAG = re.compile(r"<[^<>]{0,400}>")


def read_fhir(data: bytes, name: str) -> list[tuple[str, str]]:
    """Return (section, text): observations, attached plain text, the conclusion.

    Raises:
        BadInput: no JSON, another resource, or an attachment that is no base64.
    """
    text, _ = decode(data, name)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise _bad(name, "JSON", "malformed JSON", "a FHIR DiagnosticReport") from None
    resources = _resources(content)
    report = next((r for r in resources if r.get("resourceType") == "DiagnosticReport"), None)
    if report is None:
        raise _bad(name, "resourceType", "no DiagnosticReport", "DiagnosticReport (or a Bundle)")
    pairs = [("findings", line) for r in resources for line in _observation(r)]
    pairs += [("", text) for text in _attachments(report, name)]
    pairs += [("impression", _text(report.get("conclusion")))]
    if not any(body for _, body in pairs):
        # only the narrative is left: tags are taken off, entities stay text
        pairs = [("", _TAG.sub(" ", _text(_dict(report.get("text")).get("div"))))]
    return pairs


def _resources(content: Any) -> list[dict[str, Any]]:
    """Return a resource with those it contains, or those of a Bundle with theirs."""
    if not isinstance(content, dict):
        return []
    if content.get("resourceType") == "Bundle":
        inner = [_dict(_dict(e).get("resource")) for e in _list(content.get("entry"))]
    else:
        inner = [content]
    return [*inner, *(_dict(c) for r in inner for c in _list(r.get("contained")))]


def _observation(resource: dict[str, Any]) -> list[str]:
    """Return the sentence an Observation amounts to."""
    if resource.get("resourceType") != "Observation":
        return []
    label = _text(_dict(resource.get("code")).get("text"))
    coded = _dict(resource.get("valueCodeableConcept"))
    coding = [_text(_dict(c).get("display")) for c in _list(coded.get("coding"))]
    quantity = _dict(resource.get("valueQuantity"))
    amount = " ".join(str(quantity[k]) for k in ("value", "unit") if k in quantity)
    value = (
        _text(resource.get("valueString")) or _text(coded.get("text")) or "".join(coding[:1])
        or amount
    )  # fmt: skip
    if not value:
        return []
    return [f"{label}: {value}" if label else value]


def _attachments(report: dict[str, Any], name: str) -> list[str]:
    """Return the plain-text forms of a report; pictures and PDF are not text."""
    texts = []
    for form in map(_dict, _list(report.get("presentedForm"))):
        if not _text(form.get("contentType")).startswith("text/plain") or "data" not in form:
            continue
        try:
            raw = base64.b64decode(_text(form["data"]), validate=True)
        except (binascii.Error, ValueError):
            raise _bad(name, "presentedForm.data", "no base64", "base64 text") from None
        texts.append(decode(raw, name)[0])
    return texts


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _bad(name: str, field: str, found: str, expected: str) -> BadInput:
    return BadInput("E-TXT-106", file=name, field=field, found=found, expected=expected)
