"""Parses the WFDB header grammar (header(5)), keeping what may be wrong instead of guessing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from modalities.ecg.recording import checked_rate
from workbench.errors import BadInput
from workbench.files import read_bytes

# counts of at most 15 digits: longer ones are no count, and Python refuses to parse very long ones
_SIGNAL = re.compile(
    r"^(?P<file>\S+)[ \t]+(?P<fmt>\d{1,15})(?:x(?P<per_frame>\d{1,15}))?"
    r"(?::(?P<skew>\d{1,15}))?(?:\+(?P<offset>\d{1,15}))?"
    r"(?:[ \t]+(?P<gain>[-+]?[\d.]+(?:[eE][-+]?\d+)?)?(?:\((?P<baseline>-?\d{1,15})\))?(?:/(?P<unit>\S+))?"
    r"(?:[ \t]+(?P<bits>\d{1,15})(?:[ \t]+(?P<zero>-?\d{1,15})(?:[ \t]+(?P<initial>-?\d{1,15})"
    r"(?:[ \t]+(?P<checksum>-?\d{1,15})(?:[ \t]+(?P<block>\d{1,15})"
    r"(?:[ \t]+(?P<name>\S.*))?)?)?)?)?)?)?[ \t]*$"
)
_RECORD = re.compile(
    r"^(?P<name>[^\s/]+)(?:/(?P<segments>\d{1,15}))?[ \t]+(?P<leads>\d{1,15})"
    r"(?:[ \t]+(?P<rate>[^\s/(]+)\S*(?:[ \t]+(?P<samples>\d{1,15})(?:[ \t]+(?P<clock>\S.*))?)?)?[ \t]*$"
)
_CLOCK = re.compile(
    r"^\d{1,2}(:\d{1,2}){0,2}(\.\d+)?([ \t]+\d{1,2}[/-](\d{1,2}|[A-Za-z]{3})[/-]\d{4})?$"
)
_HEADER_LIMIT = 1 << 20


@dataclass(frozen=True)
class Signal:
    """One signal line. `gain` 0 or None means uncalibrated; `unit` None means not written."""

    file: str
    fmt: int
    per_frame: int
    skew: int
    offset: int
    gain: float | None
    baseline: int | None
    unit: str | None
    zero: int
    initial: int | None
    checksum: int | None
    name: str


@dataclass(frozen=True)
class Header:
    """A record line with its signal lines, or with its segments (name, samples)."""

    leads: int
    rate_hz: float
    samples: int | None
    signals: tuple[Signal, ...]
    segments: tuple[tuple[str, int], ...]
    flags: tuple[str, ...]


def parse_header(path: Path, name: str) -> Header:
    """Parse a .hea file.

    Raises:
        BadInput: it is empty, no header, or holds fewer or more lines than it declares (E-ECG-004/005).
    """
    data = read_bytes(path, name=name, code="E-ECG-004", limit=_HEADER_LIMIT)
    flags: list[str] = []
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        flags.append("F-ECG-021 comment-encoding")
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    match = _RECORD.match(lines[0][1]) if lines else None
    if match is None:
        raise BadInput(
            "E-ECG-004", file=name, field="record line", found="none" if not lines else "other text",
            expected="'NAME LEADS RATE SAMPLES'",
        )  # fmt: skip
    if match["clock"] and not _CLOCK.match(match["clock"].strip()):
        flags.append("F-ECG-020 header-date")
    header = Header(
        leads=int(match["leads"]), samples=int(match["samples"]) if match["samples"] else None,
        rate_hz=checked_rate(match["rate"] or "250", name=f"{name}:{lines[0][0]}"),
        signals=(), segments=(), flags=tuple(flags),
    )  # fmt: skip
    return _with_lines(header, match["segments"], lines[1:], name=name)


def _with_lines(
    header: Header, segments: str | None, lines: list[tuple[int, str]], *, name: str
) -> Header:
    """Add the signal or segment lines, after counting them."""
    declared = int(segments) if segments is not None else header.leads
    if len(lines) != declared or declared == 0:
        raise BadInput(
            "E-ECG-005", file=name, field="segment lines" if segments else "signal lines",
            found=len(lines), expected=f"{declared} as declared" if declared else "at least one",
        )  # fmt: skip
    if segments is not None:
        parts = tuple(_segment(line, f"{name}:{number}") for number, line in lines)
        return Header(header.leads, header.rate_hz, header.samples, (), parts, header.flags)
    signals = tuple(_signal(line, f"{name}:{number}") for number, line in lines)
    return Header(header.leads, header.rate_hz, header.samples, signals, (), header.flags)


def _segment(line: str, place: str) -> tuple[str, int]:
    words = line.split()
    if len(words) != 2 or not re.fullmatch(r"[0-9]{1,15}", words[1]):
        raise BadInput(
            "E-ECG-002", file=place, field="segment line", found="other text",
            expected="'NAME SAMPLES'",
        )  # fmt: skip
    return words[0], int(words[1])


def _signal(line: str, place: str) -> Signal:
    found = _SIGNAL.match(line)
    if found is None:
        raise BadInput(
            "E-ECG-001", file=place, field="signal line", found="other text",
            expected="'FILE FORMAT GAIN(BASELINE)/UNIT BITS ZERO INITIAL CHECKSUM BLOCK NAME'",
        )  # fmt: skip

    def number(key: str) -> int | None:
        return int(found[key]) if found[key] is not None else None

    return Signal(
        file=found["file"], fmt=int(found["fmt"]), per_frame=number("per_frame") or 1,
        skew=number("skew") or 0, offset=number("offset") or 0,
        gain=_gain(found["gain"], place), baseline=number("baseline"), unit=found["unit"],
        zero=number("zero") or 0, initial=number("initial"), checksum=number("checksum"),
        name=(found["name"] or "").strip(),
    )  # fmt: skip


def _gain(text: str | None, place: str) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        raise BadInput(
            "E-ECG-009", file=place, field="gain", found="no number", expected="a number"
        ) from None
