"""Reads GE MUSE RestingECG XML: the rhythm waveform, base64 int16 per lead."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modalities.ecg.formats.xml_text import anywhere, text_of
from modalities.ecg.leads import lead_named
from modalities.ecg.options import ECGOptions
from modalities.ecg.recording import (
    Channel,
    Recording,
    check_size,
    checked_rate,
    millivolts_per,
)
from workbench.errors import BadInput

_UNITS = {"MICROVOLTS": "uV", "MILLIVOLTS": "mV"}


def read_muse(root: Any, name: str, options: ECGOptions) -> Recording:
    """Read the rhythm waveform; III, aVR, aVL and aVF are not stored and follow from I and II.

    Raises:
        BadInput: no rhythm waveform, no rate or scale, or data whose length contradicts the count.
    """
    rhythm = [w for w in anywhere(root, "Waveform") if text_of(w, "WaveformType") == "Rhythm"]
    if len(rhythm) != 1:
        raise BadInput(
            "E-ECG-025", file=name, field="Rhythm Waveform", found=len(rhythm), expected="one"
        )
    base = text_of(rhythm[0], "SampleBase")
    exponent = text_of(rhythm[0], "SampleExponent") or "0"
    try:
        rate = float(base) * 10.0 ** int(exponent)
    except (ValueError, OverflowError):
        rate = float("nan")
    rate_hz = checked_rate(rate, name=name, field="SampleBase")
    leads = list(anywhere(rhythm[0], "LeadData"))
    channels = tuple(_lead(lead, rate_hz, name=name, options=options) for lead in leads)
    if all(_crc_agrees(lead) for lead in leads):
        return Recording("MUSE", channels)
    if options.strict:
        raise BadInput(
            "E-ECG-008", file=name, field="LeadDataCRC32", found="another checksum",
            expected="that of the data",
        )  # fmt: skip
    return Recording("MUSE", channels, ("F-ECG-008 checksum",))


def _lead(lead: Any, rate_hz: float, *, name: str, options: ECGOptions) -> Channel:
    """Decode one lead."""
    label = text_of(lead, "LeadID")
    field = f"lead {label}" if lead_named(label) else "lead"
    coded = text_of(lead, "WaveFormData")
    check_size(len(coded) * 3 // 8, 1, limit=options.max_samples, name=name)
    stored = decode_int16(coded, name=name, field=field)
    declared = text_of(lead, "LeadSampleCountTotal")
    if declared and declared != str(len(stored)):
        raise BadInput(
            "E-ECG-006", file=name, field=f"{field} samples", found=len(stored),
            expected=declared[:12],
        )  # fmt: skip
    try:
        step = float(text_of(lead, "LeadAmplitudeUnitsPerBit"))
    except ValueError:
        step = 0.0
    if not step > 0:
        raise BadInput(
            "E-ECG-009", file=name, field=f"{field} LeadAmplitudeUnitsPerBit", found="none or 0",
            expected="a step above 0",
        )  # fmt: skip
    unit = text_of(lead, "LeadAmplitudeUnits").upper()
    factor = millivolts_per(_UNITS.get(unit, unit), name=name, field=f"{field} unit")
    return Channel(label, stored.astype(np.float64) * (step * factor), rate_hz)


def _crc_agrees(lead: Any) -> bool:
    """Whether a lead's bytes have the CRC-32 that the file gives for them, if it gives one."""
    declared = text_of(lead, "LeadDataCRC32")
    data = base64.b64decode("".join(text_of(lead, "WaveFormData").split()))
    return not declared.isdigit() or declared.lstrip("0") == str(zlib.crc32(data))


def decode_int16(coded: str, *, name: str, field: str) -> NDArray[np.int16]:
    """Decode base64 little-endian 16-bit numbers.

    Raises:
        BadInput: it is no base64, or half a number is left over (E-ECG-006).
    """
    try:
        data = base64.b64decode("".join(coded.split()), validate=True)
    except ValueError:
        data = b"?"
    if len(data) % 2 or not data:
        raise BadInput(
            "E-ECG-006", file=name, field=f"{field} data", found="damaged base64",
            expected="whole 16-bit numbers",
        )  # fmt: skip
    return np.frombuffer(data, "<i2")
