"""Reads HL7 annotated ECG XML: the rhythm series, each lead as origin + scale x digits."""

from __future__ import annotations

from typing import Any

import numpy as np

from modalities.ecg.formats.xml_text import anywhere, local, named
from modalities.ecg.leads import lead_named
from modalities.ecg.options import ECGOptions
from modalities.ecg.recording import (
    Channel,
    Recording,
    check_size,
    checked_rate,
    millivolts_per,
)
from workbench.errors import BadInput, veil

NAMESPACE = "urn:hl7-org:v3"
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def read_aecg(root: Any, name: str, options: ECGOptions) -> Recording:
    """Read the first rhythm series of an annotated ECG.

    Raises:
        BadInput: another namespace, no series, no time increment, or digits that are no numbers.
    """
    if not str(root.tag).startswith(f"{{{NAMESPACE}}}"):
        raise BadInput(
            "E-ECG-025", file=name, field="namespace", found="another or none", expected=NAMESPACE
        )
    sets = [
        sequence_set
        for series in named(root, "component", "series")
        if _code(series) == "RHYTHM"
        for sequence_set in named(series, "component", "sequenceSet")
    ]
    if not sets:
        raise BadInput(
            "E-ECG-025", file=name, field="series", found="no RHYTHM series with sequences",
            expected="one",
        )  # fmt: skip
    flags = ("F-ECG-019 later-sequences-ignored",) if len(sets) > 1 else ()
    sequences = list(named(sets[0], "component", "sequence"))
    rate_hz = _rate(sequences, name)
    channels = tuple(
        _channel(sequence, rate_hz, name=name, options=options)
        for sequence in sequences
        if _code(sequence) not in ("TIME_ABSOLUTE", "TIME_RELATIVE")
    )
    check_size(
        max((len(channel.values_mv) for channel in channels), default=0), len(channels),
        limit=options.max_samples, name=name,
    )  # fmt: skip
    return Recording("aECG", channels, flags)


def _code(element: Any) -> str:
    found = next((child for child in element if local(child) == "code"), None)
    return str(found.get("code", "")) if found is not None else ""


def _rate(sequences: list[Any], name: str) -> float:
    """Return the rate from the increment of the time sequence."""
    for sequence in sequences:
        if _code(sequence) in ("TIME_ABSOLUTE", "TIME_RELATIVE"):
            for step in anywhere(sequence, "increment"):
                seconds = _number(step.get("value"), name, "increment")
                seconds *= _SECONDS.get(str(step.get("unit", "s")), float("nan"))
                return checked_rate(round(1.0 / seconds, 6) if seconds else 0, name=name)
    raise BadInput(
        "E-ECG-012",
        file=name,
        field="time sequence",
        found="no increment",
        expected="GLIST increment",
    )


def _channel(sequence: Any, rate_hz: float, *, name: str, options: ECGOptions) -> Channel:
    """Return one lead in millivolts."""
    code = _code(sequence)
    field = f"lead {code}" if lead_named(code) else "lead"
    digits = "".join((found.text or "") for found in anywhere(sequence, "digits"))
    check_size(len(digits) // 2 + 1, 1, limit=options.max_samples, name=name)
    try:
        stored = np.array(digits.split(), dtype=np.float64)
    except ValueError:
        raise BadInput(
            "E-ECG-025", file=name, field=f"{field} digits", found=veil(digits), expected="numbers"
        ) from None
    scaled = _quantity(sequence, "scale", name=name, field=field) * stored
    return Channel(code, scaled + _quantity(sequence, "origin", name=name, field=field), rate_hz)


def _quantity(sequence: Any, part: str, *, name: str, field: str) -> float:
    """Return origin or scale in millivolts.

    Raises:
        BadInput: it is missing, zero scale, or in no unit of voltage (E-ECG-009, E-ECG-010).
    """
    found = next(anywhere(sequence, part), None)
    if found is None and part == "origin":
        return 0.0
    value = _number(found.get("value") if found is not None else None, name, f"{field} {part}")
    if part == "scale" and value == 0:
        raise BadInput(
            "E-ECG-009", file=name, field=f"{field} scale", found="0", expected="a scale above 0"
        )
    unit = str(found.get("unit", "")) if found is not None else ""
    return value * millivolts_per(unit, name=name, field=f"{field} {part}")


def _number(text: object, name: str, field: str) -> float:
    try:
        value = float(str(text))
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise BadInput("E-ECG-009", file=name, field=field, found="no number", expected="a number")
    return value
