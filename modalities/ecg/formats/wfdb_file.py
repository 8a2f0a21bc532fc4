"""Reads a WFDB record: the header's signals from their files, in millivolts.

Formats 16 and 212 (nearly all 12-lead collections) are unpacked here with numpy, which is several times
faster than the wfdb package; every other format goes through wfdb. Both give the same numbers.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modalities.ecg.formats.wfdb_header import Header, Signal, parse_header
from modalities.ecg.options import ECGOptions
from modalities.ecg.recording import Channel, Recording, check_size, is_voltage, millivolts_per
from workbench.errors import BadInput
from workbench.paths import resolve_inside

_SENTINEL = {
    16: -32768,
    212: -2048,
    24: -8388608,
    32: -2147483648,
    61: -32768,
    80: -128,
    160: -32768,
}
_RANGE = {16: (-32767, 32767), 61: (-32767, 32767), 212: (-2047, 2047)}
_DEFAULT_GAIN = 200.0


def read_wfdb(path: Path, name: str, options: ECGOptions) -> Recording:
    """Read a record by its header.

    Raises:
        BadInput: catalogue rows E01 to E12 of the ECG family.
    """
    header = parse_header(path, name)
    if header.segments:
        return _read_segments(header, path, name, options=options)
    files = check_files(header, path, name, options=options)
    channels: list[Channel] = []
    flags = list(header.flags)
    for file, group in groupby(header.signals, key=lambda signal: signal.file):
        signals = list(group)
        stored = _stored(signals, files[file], header, name=name)
        flags += _verify(signals, stored, name=name, strict=options.strict)
        for signal, values in zip(signals, stored, strict=True):
            channel, assumed = _physical(
                signal, values, header.rate_hz, name=name, strict=options.strict
            )
            flags += assumed
            if channel is not None:
                channels.append(channel)
    return Recording("WFDB", tuple(channels), tuple(dict.fromkeys(flags)))


def check_files(header: Header, path: Path, name: str, *, options: ECGOptions) -> dict[str, Path]:
    """Resolve the signal files and compare their sizes with the header; reads no sample.

    Returns:
        Path per file name, in order of first use.
    """
    check_size(
        header.samples or 1, max(header.leads, sum(s.per_frame for s in header.signals)),
        limit=options.max_samples, name=name,
    )  # fmt: skip
    files: dict[str, Path] = {}
    for file, group in groupby(header.signals, key=lambda signal: signal.file):
        if file in files:
            raise BadInput(
                "E-ECG-001", file=name, field="signal file", found="signals of one file not together",
                expected="one group of lines per file",
            )  # fmt: skip
        files[file] = member(file, path, name)
        _check_length(list(group), files[file], header.samples, name=name)
    return files


def member(file: str, header_path: Path, name: str) -> Path:
    """Return the real path of a file that a header names, which must lie beside the header.

    Raises:
        BadInput: it lies elsewhere, also by a link (E-ECG-001), or is missing or empty (E-ECG-006).
    """
    try:
        return resolve_inside(file, header_path.parent, allow_absolute=False)
    except BadInput as refused:
        outside = refused.code == "E-MAN-015"
        raise BadInput(
            "E-ECG-001" if outside else "E-ECG-006", file=name, field="signal file",
            found=f"{refused.found} (outside record directory)" if outside else refused.found,
            expected="a file in the folder of the header",
        ) from None  # fmt: skip


def _check_length(signals: list[Signal], file: Path, samples: int | None, *, name: str) -> None:
    """Compare a file's size with the header, for the formats whose size is fixed."""
    fmt, per_frame = signals[0].fmt, sum(signal.per_frame for signal in signals)
    if any(signal.fmt != fmt or signal.offset != signals[0].offset for signal in signals):
        raise BadInput(
            "E-ECG-001",
            file=name,
            field="signal format",
            found="several in one file",
            expected="one",
        )
    bits = {16: 16, 212: 12, 80: 8, 160: 16, 61: 16, 24: 24, 32: 32}.get(fmt)
    if samples is None or bits is None:
        return
    found = max(0, file.stat().st_size - signals[0].offset) * 8 // bits
    if found < samples * per_frame:
        raise BadInput(
            "E-ECG-006", file=name, field=f"samples in {file.name}", found=found,
            expected=f"{samples * per_frame} ({samples} x {per_frame})",
        )  # fmt: skip


def _stored(signals: list[Signal], file: Path, header: Header, *, name: str) -> list[NDArray[Any]]:
    """Return the stored integers of each signal of one file."""
    first = signals[0]
    plain = all(signal.per_frame == 1 and signal.skew == 0 for signal in signals)
    if first.fmt not in (16, 212) or not plain:
        return _stored_by_wfdb(signals, file, header, name=name)
    width = len(signals)
    with open(file, "rb") as stream:
        stream.seek(first.offset)
        if first.fmt == 16:
            count = -1 if header.samples is None else header.samples * width
            flat = np.fromfile(stream, "<i2", count)
        else:
            count = -1 if header.samples is None else -(-header.samples * width * 3 // 2)
            flat = _unpack_212(np.fromfile(stream, np.uint8, count))
    samples = header.samples if header.samples is not None else len(flat) // width
    if len(flat) < samples * width:
        flat = np.pad(flat, (0, samples * width - len(flat)))
    return list(np.ascontiguousarray(flat[: samples * width].reshape(samples, width).T))


def _unpack_212(data: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Unpack 12-bit pairs stored in three bytes: low byte, two high nibbles, low byte."""
    data = np.pad(data, (0, -len(data) % 3)).reshape(-1, 3).astype(np.int16)
    out = np.empty((len(data), 2), np.int16)
    out[:, 0] = data[:, 0] | (data[:, 1] & 0x0F) << 8
    out[:, 1] = data[:, 2] | (data[:, 1] & 0xF0) << 4
    out[out > 2047] -= 4096
    return out.ravel()


def _stored_by_wfdb(
    signals: list[Signal], file: Path, header: Header, *, name: str
) -> list[NDArray[Any]]:
    """Let the wfdb package unpack a format that is rare."""
    from wfdb.io import _signal

    first = signals[0]
    try:
        found = _signal._rd_segment(
            file_name=[file.name] * len(signals), dir_name=str(file.parent), pn_dir=None,
            fmt=[str(first.fmt)] * len(signals), n_sig=len(signals), sig_len=header.samples,
            byte_offset=[first.offset] * len(signals), samps_per_frame=[s.per_frame for s in signals],
            skew=[s.skew for s in signals], init_value=[s.initial or 0 for s in signals],
            sampfrom=0, sampto=header.samples, channels=list(range(len(signals))),
            ignore_skew=False, no_file=False, sig_data=None, return_res=64,
        )  # fmt: skip
    except (ValueError, IndexError, TypeError, OSError, KeyError, RuntimeError) as cause:
        raise BadInput(
            "E-ECG-006", file=name, field=f"signal file in format {first.fmt}",
            found=f"unreadable data ({type(cause).__name__})", expected="a WFDB signal format",
        ) from None  # fmt: skip
    return [np.asarray(values) for values in found]


def _verify(
    signals: list[Signal], stored: list[NDArray[Any]], *, name: str, strict: bool
) -> list[str]:
    """Compare the 16-bit checksum and the initial value of each signal with the header."""
    wrong = [
        signal.name
        for signal, values in zip(signals, stored, strict=True)
        if (
            signal.checksum is not None
            and (int(values.sum(dtype=np.int64)) - signal.checksum) % 65536
        )
        or (signal.initial is not None and len(values) and int(values[0]) != signal.initial)
    ]
    if wrong and strict:
        raise BadInput(
            "E-ECG-008", file=name, field="checksum or initial value",
            found=f"another in {len(wrong)} signals", expected="that of the header",
        )  # fmt: skip
    return ["F-ECG-008 checksum"] if wrong else []


def _physical(
    signal: Signal, values: NDArray[Any], rate_hz: float, *, name: str, strict: bool
) -> tuple[Channel | None, list[str]]:
    """Bring one signal to millivolts; a channel in another unit than volts is left out."""
    flags = []
    gain, unit = signal.gain, signal.unit
    if not gain:
        gain = _DEFAULT_GAIN
        flags.append("F-ECG-009 gain-assumed")
    if unit is None:
        unit = "mV"
        flags.append("F-ECG-010 unit-assumed")
    if flags and strict:
        raise BadInput(
            flags[0].split()[0].replace("F", "E", 1), file=name, field="gain and unit",
            found=f"{flags[0].split()[1]}", expected="both written in the header",
        )  # fmt: skip
    if not is_voltage(unit):
        return None, ["F-ECG-014 extra-leads"]
    baseline = signal.baseline if signal.baseline is not None else signal.zero
    factor = millivolts_per(unit, name=name, field="unit") / gain
    sentinel = _SENTINEL.get(signal.fmt)
    scaled = (values.astype(np.float64) - baseline) / gain
    if unit.lower() != "mv":
        scaled *= factor * gain
    if sentinel is not None:
        scaled[values == sentinel] = np.nan
    low, high = _RANGE.get(signal.fmt, (0, 0))
    ends = sorted(((low - baseline) * factor, (high - baseline) * factor)) if high else None
    return Channel(
        signal.name, scaled, rate_hz * signal.per_frame, (ends[0], ends[1]) if ends else None
    ), flags


def _read_segments(header: Header, path: Path, name: str, *, options: ECGOptions) -> Recording:
    """Join the segments of a multi-segment record; gaps and leads a segment lacks become NaN."""
    total = sum(samples for _, samples in header.segments)
    check_size(total, header.leads, limit=options.max_samples, name=name)
    joined: dict[str, NDArray[np.float64]] = {}
    flags = [*header.flags, "F-ECG-019 multi-segment"]
    start = 0
    for segment, samples in header.segments:
        if segment != "~" and samples > 0:
            part = read_segment(segment, path, name, options=options)
            flags += part.flags
            for channel in part.channels:
                values = channel.values_mv[:samples]
                row = joined.setdefault(channel.name, np.full(total, np.nan))
                row[start : start + len(values)] = values
        start += samples
    channels = tuple(Channel(lead, values, header.rate_hz) for lead, values in joined.items())
    return Recording("WFDB", channels, tuple(dict.fromkeys(flags)))


def read_segment(segment: str, path: Path, name: str, *, options: ECGOptions) -> Recording:
    """Read one segment, which may not have segments of its own.

    Raises:
        BadInput: the segment lies outside the record's folder (E-ECG-002), or has segments.
    """
    try:
        header_path = member(f"{segment}.hea", path, name)
    except BadInput as refused:
        raise BadInput(
            "E-ECG-002", file=name, field="segment", found=refused.found, expected=refused.expected
        ) from None
    if parse_header(header_path, name).segments:
        raise BadInput(
            "E-ECG-002", file=name, field="segment", found="segments inside a segment",
            expected="a plain record",
        )  # fmt: skip
    return read_wfdb(header_path, name, options)
