"""Reads EDF and EDF+ files: every signal that is a voltage, by its physical and digital range."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from modalities.ecg.leads import lead_named
from modalities.ecg.options import ECGOptions
from modalities.ecg.recording import (
    Channel,
    Recording,
    check_size,
    checked_rate,
    is_voltage,
    millivolts_per,
)
from workbench.errors import BadInput

_FIXED = 256


def read_edf(path: Path, name: str, options: ECGOptions) -> Recording:
    """Read the signals in volts, millivolts or microvolts.

    Raises:
        BadInput: a header that contradicts the file's size, or that EDF readers refuse.
    """
    import pyedflib

    check_edf(path, name, options)
    try:
        reader = pyedflib.EdfReader(str(path), annotations_mode=pyedflib.DO_NOT_READ_ANNOTATIONS)
    except (OSError, ValueError, RuntimeError) as cause:
        raise BadInput(
            "E-ECG-103", file=name, field="EDF header",
            found=f"damaged or not conformant ({type(cause).__name__})", expected="EDF or EDF+C",
        ) from None  # fmt: skip
    with reader:
        channels, flags = [], []
        for index in range(reader.signals_in_file):
            unit = reader.getPhysicalDimension(index).strip()
            label = reader.getLabel(index)
            if not is_voltage(unit):
                flags.append("F-ECG-014 extra-leads")
                continue
            factor = millivolts_per(unit, name=name, field="physical dimension")
            values = reader.readSignal(index).astype(np.float64) * factor
            rate = checked_rate(reader.getSampleFrequency(index), name=name)
            ends = float(reader.getPhysicalMinimum(index)), float(reader.getPhysicalMaximum(index))
            low, high = sorted((ends[0] * factor, ends[1] * factor))
            channels.append(Channel(label, values, rate, (low, high)))
            if lead_named(label) is None:
                flags.append("F-ECG-014 extra-leads")
    return Recording("EDF", tuple(channels), tuple(dict.fromkeys(flags)))


def check_edf(path: Path, name: str, options: ECGOptions) -> None:
    """Compare the counts in the header with the file's size, before anything is allocated.

    Raises:
        BadInput: counts that are no numbers, too large, or more data than the file holds.
    """
    with open(path, "rb") as stream:
        head = stream.read(_FIXED)
        signals = _count(head[252:256], "number of signals", name)
        check_size(1, signals, limit=4096, name=name)
        table = stream.read(_FIXED * signals)
    start = 216 * signals
    per_record = sum(
        _count(table[start + 8 * i : start + 8 * i + 8], "samples per record", name)
        for i in range(signals)
    )
    records = _count(head[236:244], "number of records", name)
    check_size(records * per_record, 1, limit=options.max_samples, name=name)
    size, expected = path.stat().st_size, _FIXED * (signals + 1) + 2 * records * per_record
    if size < expected:
        raise BadInput(
            "E-ECG-006", file=name, field="EDF data", found=f"{size} bytes", expected=f"{expected}"
        )


def _count(text: bytes, field: str, name: str) -> int:
    digits = text.decode("ascii", "replace").strip()
    if not digits.isdigit():
        raise BadInput(
            "E-ECG-103", file=name, field=field, found="no count", expected="a whole number"
        )
    return int(digits)
