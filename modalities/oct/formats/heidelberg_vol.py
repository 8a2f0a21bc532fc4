"""Reads Heidelberg Spectralis .vol exports, which hold raw reflectivity as float32.

Layout (HEYEX special function manual, cross-checked against eyepy): a header of 2048 bytes, the SLO
picture of SizeXSlo x SizeYSlo bytes, then per B-scan a header of BScanHdrSize bytes with
SizeZ x SizeX float32. Device files end with 132 more bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from modalities.oct.options import OctOptions
from modalities.oct.volume import Volume, check_size, usable_spacing
from workbench.errors import BadInput

HEADER = 2048
_FIELDS = struct.Struct("<12s3I3d2I2dId4sQiI")
_BSCAN_FIELDS = struct.Struct("<12sI4d2If")
_PATTERNS = {0: "unknown", 1: "line", 2: "circle", 3: "volume", 4: "fast volume", 5: "star"}
_RASTER = (0, 1, 3, 4)
_EYES = {b"OD": "R", b"OS": "L"}


@dataclass(frozen=True)
class Header:
    """The part of the file header that decodes the rest; names as in the manual."""

    width: int
    count: int
    height: int
    spacing_mm: tuple[float, float, float]
    slo_bytes: int
    eye: str | None
    pattern: int
    bscan_header: int

    @property
    def bscan_bytes(self) -> int:
        """Bytes of one B-scan with its header."""
        return self.bscan_header + self.width * self.height * 4

    @property
    def file_bytes(self) -> int:
        """Bytes the file should have."""
        return HEADER + self.slo_bytes + self.count * self.bscan_bytes


def read_vol(path: Path, name: str, options: OctOptions) -> Volume:
    """Return the B-scans from superior to inferior, `kind` linear."""
    with open(path, "rb") as stream:
        header, flags = _own_header_size(read_header(stream, name), stream, path.stat().st_size)
        _refuse_pattern(header, name, options)
        check_size(name, (header.count, header.height, header.width), 4, options)
        count, more = _complete(header, path.stat().st_size, name, options)
        starts, quality, frames = _bscans(stream, header, count)
    order, moved = _superior_first(starts, name)
    good = quality[(quality > 0) & (quality < 1e3)]
    return Volume(
        frames[order],
        kind="linear",
        spacing_mm=usable_spacing(header.spacing_mm, lone=count == 1),
        laterality=header.eye,
        meta={
            "source_format": "heidelberg vol",
            "scan_pattern": _PATTERNS.get(header.pattern, "unknown"),
            "quality_db": float(good.mean()) if good.size else None,
        },
        flags=(*flags, *more, *moved),
    )


def read_header(stream: IO[bytes], name: str) -> Header:
    """Read the file header.

    Raises:
        BadInput: the file ends inside it (E-OCT-002).
    """
    head = stream.read(HEADER)
    if len(head) < HEADER:
        raise BadInput(
            "E-OCT-002", file=name, field="file header", found=f"{len(head)} bytes",
            expected=f"{HEADER} bytes",
        )  # fmt: skip
    values: tuple[Any, ...] = _FIELDS.unpack_from(head)
    _, width, count, height, scale_x, distance, scale_z, slo_x, slo_y = values[:9]
    eye, pattern, bscan_header = values[13].rstrip(b"\0 "), values[15], values[16]
    spacing = (distance, scale_z, scale_x)
    return Header(
        width, count, height, spacing, slo_x * slo_y, _EYES.get(eye), pattern, bscan_header
    )


def _own_header_size(
    header: Header, stream: IO[bytes], size: int
) -> tuple[Header, tuple[str, ...]]:
    """Take the B-scans' own header size where the file header's contradicts the file's size."""
    if size >= header.file_bytes or size < HEADER + header.slo_bytes:
        return header, ()
    stream.seek(HEADER + header.slo_bytes)
    block = stream.read(_BSCAN_FIELDS.size)
    if len(block) < _BSCAN_FIELDS.size:
        return header, ()
    other = replace(header, bscan_header=int(_BSCAN_FIELDS.unpack(block)[1]))
    if other.file_bytes != size:
        return header, ()
    return other, ("F-OCT-004 bscan-header-size",)


def _refuse_pattern(header: Header, name: str, options: OctOptions) -> None:
    """Refuse circle and star scans where a raster is wanted, and a B-scan header that cannot be."""
    if options.scans == "raster" and header.pattern not in _RASTER:
        raise BadInput(
            "E-OCT-007", file=name, field="ScanPattern",
            found=f"{header.pattern} ({_PATTERNS.get(header.pattern, 'unknown')})",
            expected="a line or volume scan", fix="Set scans: any to read its B-scans.",
        )  # fmt: skip
    if not 256 <= header.bscan_header <= 1 << 24:
        raise BadInput(
            "E-OCT-004", file=name, field="BScanHdrSize", found=header.bscan_header,
            expected="256 to 16777216",
        )  # fmt: skip


def _complete(
    header: Header, size: int, name: str, options: OctOptions
) -> tuple[int, tuple[str, ...]]:
    """Return how many B-scans are whole, from the sizes alone."""
    if size >= header.file_bytes:
        return header.count, (("F-OCT-004 trailing-bytes",) if size > header.file_bytes else ())
    whole = (size - HEADER - header.slo_bytes) // header.bscan_bytes
    if options.partial == "keep" and whole >= 1:
        return int(whole), (f"F-OCT-002 {whole}-of-{header.count}-bscans",)
    field = "SLO picture" if whole < 0 else f"B-scans complete: {whole} of {header.count}"
    raise BadInput(
        "E-OCT-002", file=name, field=field, found=f"{size} bytes",
        expected=f"{header.file_bytes} (2048 + {header.slo_bytes} + {header.count} x "
        f"{header.bscan_bytes})", fix="Set partial: keep to use the complete B-scans.",
    )  # fmt: skip


def _bscans(
    stream: IO[bytes], header: Header, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float32]]:
    """Return start points (D, 2) mm, qualities (D,) and frames (D, H, W)."""
    starts, quality = np.zeros((count, 2)), np.zeros(count)
    frames = np.empty((count, header.height, header.width), dtype="<f4")
    stream.seek(HEADER + header.slo_bytes)
    for index in range(count):
        block = stream.read(header.bscan_bytes)
        values = _BSCAN_FIELDS.unpack_from(block)
        starts[index], quality[index] = values[2:4], values[8]
        pixels = np.frombuffer(block, dtype="<f4", offset=header.bscan_header)
        frames[index] = pixels.reshape(header.height, header.width)
    return starts, np.nan_to_num(quality), frames


def _superior_first(
    starts: NDArray[np.float64], name: str
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Order B-scans by where they start; a plain reversal is normal, anything else is flagged.

    Raises:
        BadInput: two B-scans start in one place (E-OCT-010).
    """
    travel = np.ptp(starts, axis=0)
    if len(starts) < 2 or not np.isfinite(travel).all() or not travel.any():
        return np.arange(len(starts)), ()
    place = starts[:, 1] if travel[1] >= travel[0] else starts[:, 0]
    if len(np.unique(place)) < len(place):
        raise BadInput(
            "E-OCT-010", file=name, field="StartX, StartY", found="two B-scans in one place",
            expected="one place per B-scan",
        )  # fmt: skip
    steps = np.diff(place)
    flags = () if (steps > 0).all() or (steps < 0).all() else ("F-OCT-010 reordered",)
    return np.argsort(place), flags
