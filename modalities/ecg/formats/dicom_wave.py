"""Reads ECG waveforms from DICOM: the rhythm group, each channel by its sensitivity and unit."""

from __future__ import annotations

import math
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError

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

_STORED = {
    ("SB", 8): "i1",
    ("UB", 8): "u1",
    ("SS", 16): "<i2",
    ("US", 16): "<u2",
    ("SL", 32): "<i4",
}
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"
# what pydicom raises for damaged elements; InvalidDicomError is none of the built-in kinds
_DAMAGE = (
    InvalidDicomError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError,
    NotImplementedError, OverflowError, RecursionError, struct.error,
)  # fmt: skip


def read_dicom_wave(path: Path, name: str, options: ECGOptions) -> Recording:
    """Read the longest original multiplex group of a DICOM waveform file.

    Raises:
        BadInput: truncated data (E-ECG-023), no waveform, or a channel without unit (E-ECG-024).
    """
    import pydicom

    try:  # pydicom converts elements when they are first used, so damage shows anywhere below
        _refuse_syntax(path, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _recording(pydicom.dcmread(str(path)), name, options)
    except _DAMAGE as cause:
        raise BadInput(
            "E-ECG-023", file=name, field="DICOM elements",
            found=f"damaged data ({type(cause).__name__})", expected="a complete DICOM file",
        ) from None  # fmt: skip


def _refuse_syntax(path: Path, name: str) -> None:
    """Refuse the two transfer syntaxes that pydicom would inflate whole or swap."""
    import pydicom

    syntax = str(pydicom.filereader.read_file_meta_info(str(path)).get("TransferSyntaxUID", ""))
    if syntax in (_DEFLATED, _BIG_ENDIAN):
        raise BadInput(
            "E-ECG-024", file=name, field="TransferSyntaxUID", found=syntax,
            expected="little endian, not deflated",
        )  # fmt: skip


def _recording(dataset: Any, name: str, options: ECGOptions) -> Recording:
    """Choose the group and bring its channels to millivolts."""
    groups = list(dataset.get("WaveformSequence") or [])
    if not groups:
        raise BadInput(
            "E-ECG-024", file=name, field="WaveformSequence",
            found=f"none in SOP class {_uid(dataset.get('SOPClassUID'))}",
            expected="an ECG waveform object",
        )  # fmt: skip
    original = [g for g in groups if str(g.get("WaveformOriginality", "ORIGINAL")) != "DERIVED"]
    group = max(original or groups, key=lambda g: int(g.get("NumberOfWaveformSamples") or 0))
    flags = [] if original else ["F-ECG-024 derived-group"]
    rate_hz = checked_rate(group.get("SamplingFrequency"), name=name, field="SamplingFrequency")
    stored = _stored(group, name, options)
    definitions = list(group.get("ChannelDefinitionSequence") or [])
    if len(definitions) != len(stored):
        raise BadInput(
            "E-ECG-024", file=name, field="ChannelDefinitionSequence", found=len(definitions),
            expected=f"{len(stored)} items",
        )  # fmt: skip
    channels = []
    for definition, values in zip(definitions, stored, strict=True):
        channel, assumed = _channel(definition, values, rate_hz, name=name, strict=options.strict)
        channels.append(channel)
        flags += assumed
    return Recording("DICOM", tuple(channels), tuple(dict.fromkeys(flags)))


def _uid(value: object) -> str:
    """Return a UID that is one, so that a damaged field cannot print anything else."""
    text = str(value)
    return text if set(text) <= set("0123456789.") else "unknown"


def _stored(group: Any, name: str, options: ECGOptions) -> NDArray[Any]:
    """Return the stored numbers, (channels, samples), after comparing sizes."""
    channels = int(group.get("NumberOfWaveformChannels") or 0)
    samples = int(group.get("NumberOfWaveformSamples") or 0)
    check_size(samples, channels, limit=options.max_samples, name=name)
    kind = (
        str(group.get("WaveformSampleInterpretation", "")),
        int(group.get("WaveformBitsAllocated") or 0),
    )
    if kind not in _STORED:
        raise BadInput(
            "E-ECG-024", file=name, field="WaveformSampleInterpretation",
            found=f"{kind[0][:4]} of {kind[1]} bits", expected="SB, UB, SS, US or SL",
        )  # fmt: skip
    data = bytes(group.get("WaveformData") or b"")
    expected = samples * channels * kind[1] // 8
    if len(data) < expected:
        raise BadInput(
            "E-ECG-023", file=name, field="WaveformData", found=f"{len(data)} bytes",
            expected=f"{expected} ({samples} x {channels} x {kind[1] // 8})",
        )  # fmt: skip
    flat = np.frombuffer(data, _STORED[kind], samples * channels)
    return np.asarray(flat.reshape(samples, channels).T)


def _channel(
    definition: Any, stored: NDArray[Any], rate_hz: float, *, name: str, strict: bool
) -> tuple[Channel, list[str]]:
    """Return (stored + baseline) x sensitivity x correction in millivolts (PS3.3 C.10.9.1.4)."""
    label = _label(definition)
    field = f"ChannelSensitivity of {lead_named(label) or 'a channel'}"
    flags: list[str] = []
    sensitivity = definition.get("ChannelSensitivity")
    if sensitivity is None:
        if strict:
            raise BadInput("E-ECG-024", file=name, field=field, found="none", expected="a number")
        flags.append("F-ECG-024 sensitivity-assumed")
        step_mv = 1e-3
    else:
        units = definition.get("ChannelSensitivityUnitsSequence") or [{}]
        unit = str(units[0].get("CodeValue", "") if units[0] else "")
        if not unit:
            flags.append("F-ECG-010 unit-assumed")
        step_mv = _number(sensitivity, name, field)
        step_mv *= millivolts_per(unit or "uV", name=name, field=f"{field} unit")
    correction = _number(definition.get("ChannelSensitivityCorrectionFactor", 1), name, field)
    baseline = _number(definition.get("ChannelBaseline", 0), name, field)
    if step_mv * correction == 0:
        raise BadInput("E-ECG-024", file=name, field=field, found="0", expected="a number above 0")
    values = stored.astype(np.float64) * (step_mv * correction)
    # the standard gives the baseline in units of the sensitivity, not in steps
    unit_mv = step_mv / float(sensitivity) if sensitivity else step_mv
    return Channel(label, values + baseline * unit_mv, rate_hz), flags


def _label(definition: Any) -> str:
    """Return the channel's lead: the code of its source, its meaning, or its own label."""
    sources = definition.get("ChannelSourceSequence") or []
    words = [
        str(sources[0].get(key, "")) for key in ("CodeValue", "CodeMeaning") if len(sources) > 0
    ]
    words.append(str(definition.get("ChannelLabel", "")))
    return next((word for word in words if lead_named(word)), next((w for w in words if w), ""))


def _number(value: object, name: str, field: str) -> float:
    try:
        number = float(str(value)) if value not in (None, "") else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadInput("E-ECG-024", file=name, field=field, found="no number", expected="a number")
    return number
