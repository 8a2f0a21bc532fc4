"""Reads what a DICOM header says about its pixels, refusing what contradicts itself."""

from __future__ import annotations

import contextlib
import logging
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydicom.charset import python_encoding
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import UID

from workbench.errors import BadInput

# what pydicom and its decoders raise on damaged files; everything is turned into BadInput
LIBRARY_ERRORS: tuple[type[Exception], ...] = (
    InvalidDicomError, BytesLengthException, ValueError, TypeError, AttributeError, LookupError,
    NotImplementedError, RuntimeError, OSError, EOFError, struct.error, zlib.error, OverflowError,
    MemoryError, SystemError,
)  # fmt: skip

_SAMPLES = {
    "MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1, "RGB": 3, "YBR_FULL": 3,
    "YBR_FULL_422": 3, "YBR_ICT": 3, "YBR_RCT": 3, "YBR_PARTIAL_420": 3,
}  # fmt: skip
_TRANSFER_SYNTAX = 0x00020010
_DUAL_FORMATS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class Geometry:
    """What a header promises about the pixel data.

    Attributes:
        rows: height of a frame.
        columns: width of a frame.
        samples: 1 for grey and palette, 3 for colour.
        frames: number of frames.
        bits_allocated: 1, 8, 16 or 32.
        bits_stored: bits that carry the value.
        photometric: PhotometricInterpretation.
        syntax: transfer syntax UID.
    """

    rows: int
    columns: int
    samples: int
    frames: int
    bits_allocated: int
    bits_stored: int
    photometric: str
    syntax: UID

    @property
    def encapsulated(self) -> bool:
        """Whether the pixels are compressed."""
        return bool(self.syntax.is_encapsulated)

    @property
    def syntax_name(self) -> str:
        """The transfer syntax with its UID."""
        return f"{self.syntax} ({self.syntax.name})"

    @property
    def native_bytes(self) -> int:
        """Bytes of uncompressed pixel data, without the pad byte."""
        pixels = self.rows * self.columns * self.frames
        if self.photometric == "YBR_FULL_422" and not self.encapsulated:
            return pixels * 2 * self.bits_allocated // 8
        return -(-pixels * self.samples * self.bits_allocated // 8)

    @property
    def formula(self) -> str:
        """How `native_bytes` comes about, for messages."""
        size = f"Rows {self.rows} x Columns {self.columns} x Samples {self.samples}"
        return f"{size} x Frames {self.frames} x {self.bits_allocated} bits"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom's warnings and log lines, which may quote a person's name."""
    logger = logging.getLogger("pydicom")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def bad(
    row: int, name: str, field: str, found: object, expected: object, fix: str = ""
) -> BadInput:
    """Return the error of one catalogue row: `bad(1, ...)` is E-DCM-001."""
    return BadInput(
        f"E-DCM-{row:03d}", file=name, field=field, found=found, expected=expected, fix=fix
    )


def value(dataset: Dataset, keyword: str, name: str) -> Any:
    """Return an element's value, or None where it is absent or empty.

    Raises:
        BadInput: the element cannot be decoded (E-DCM-030).
    """
    try:
        with quiet():
            found = dataset.get(keyword)
    except LIBRARY_ERRORS as cause:
        raise bad(
            30, name, keyword, f"{type(cause).__name__} in its value", "a legal value"
        ) from None
    if found is None or (hasattr(found, "__len__") and len(found) == 0):
        return None
    return found


def number(dataset: Dataset, keyword: str, name: str, *, index: int = 0) -> float | None:
    """Return one finite number of an element, or None where it is absent or empty.

    Raises:
        BadInput: the value is no finite number (E-DCM-030).
    """
    found = value(dataset, keyword, name)
    if found is None:
        return None
    several = not isinstance(found, (str, bytes)) and hasattr(found, "__getitem__")
    try:
        result = float(found[index] if several else found)
    except (TypeError, ValueError, IndexError, OverflowError):
        result = math.nan
    if not math.isfinite(result):
        raise bad(30, name, keyword, f"<{type(found).__name__}>", "a finite number")
    return result


def pixel_length(dataset: Dataset, name: str) -> int:
    """Return the bytes of the pixel data element."""
    data = value(dataset, "PixelData", name)
    if not isinstance(data, (bytes, bytearray)):
        raise bad(1, name, "PixelData (7FE0,0010)", "no bytes", "pixel data")
    return len(data)


def read_geometry(dataset: Dataset, name: str, limit_bytes: int) -> Geometry:
    """Return the checked geometry of the pixel data; allocates nothing.

    Raises:
        BadInput: as `modalities.dicom.frames` lists.
    """
    if "PixelData" not in dataset:
        found = UID(str(value(dataset, "SOPClassUID", name) or "")).name or "none"
        raise bad(11, name, "SOP class", f"{found}, not an image", "an image with PixelData")
    geometry = Geometry(
        rows=_count(dataset, "Rows", name), columns=_count(dataset, "Columns", name),
        samples=int(number(dataset, "SamplesPerPixel", name) or 1),
        frames=_frames(dataset, name),
        bits_allocated=int(number(dataset, "BitsAllocated", name) or 0),
        bits_stored=int(number(dataset, "BitsStored", name) or 0),
        photometric=str(value(dataset, "PhotometricInterpretation", name) or "").strip(),
        syntax=UID(str(dataset.file_meta.TransferSyntaxUID)),
    )  # fmt: skip
    if not geometry.syntax.is_transfer_syntax or geometry.syntax.is_private:
        raise bad(
            6, name, "TransferSyntaxUID (0002,0010)", "no known transfer syntax",
            "one that the standard defines",
        )  # fmt: skip
    _check_bits(dataset, geometry, name)
    if _SAMPLES.get(geometry.photometric) != geometry.samples:
        raise bad(
            23, name, "PhotometricInterpretation (0028,0004)",
            f"{geometry.photometric[:16]!r} with {geometry.samples} samples per pixel",
            f"one of {list(_SAMPLES)} with its number of samples",
        )  # fmt: skip
    per_value = max(1, geometry.bits_allocated // 8)
    size = geometry.rows * geometry.columns * geometry.samples * geometry.frames * per_value
    if size > limit_bytes:
        row = 27 if geometry.frames > 1 else 26
        raise bad(row, name, geometry.formula, f"{size} bytes", f"at most {limit_bytes} bytes")
    return geometry


def header_flags(dataset: Dataset) -> tuple[str, ...]:
    """Return flags for what a header does oddly without making the pixels doubtful."""
    flags = []
    meta = dataset.file_meta
    if {int(tag) for tag in meta.keys()} == {_TRANSFER_SYNTAX}:  # noqa: SIM118  a value may not decode
        flags.append("F-DCM-009 no-meta")
    implicit = getattr(dataset, "original_encoding", (None, None))[0]
    syntax = UID(str(meta.TransferSyntaxUID))
    public = syntax.is_transfer_syntax and not syntax.is_private
    if implicit is not None and public and bool(implicit) != bool(syntax.is_implicit_VR):
        flags.append("F-DCM-007 vr-contradicts-syntax")
    preamble = getattr(dataset, "preamble", None) or b""
    if preamble.strip(b"\0") and not preamble.startswith(_DUAL_FORMATS):
        flags.append("F-DCM-032 preamble")
    if "SpecificCharacterSet" in dataset and not _known_charset(dataset):
        flags.append("F-DCM-036 charset")
    return tuple(flags)


def _count(dataset: Dataset, keyword: str, name: str) -> int:
    """Return a side of the image, refusing 0 and absence."""
    found = int(number(dataset, keyword, name) or 0)
    if found < 1:
        raise bad(25, name, keyword, found, "at least 1")
    return found


def _frames(dataset: Dataset, name: str) -> int:
    """Return NumberOfFrames, 1 where it is absent."""
    if "NumberOfFrames" not in dataset:
        return 1
    found = number(dataset, "NumberOfFrames", name)
    if found is None or found < 1:
        raise bad(20, name, "NumberOfFrames (0028,0008)", found, "at least 1")
    return int(found)


def _check_bits(dataset: Dataset, geometry: Geometry, name: str) -> None:
    """Refuse bit depths that contradict each other (D18)."""
    allocated, stored = geometry.bits_allocated, geometry.bits_stored
    high = number(dataset, "HighBit", name)
    if allocated not in (1, 8, 16, 32) or not 1 <= stored <= allocated:
        raise bad(
            18, name, "BitsAllocated, BitsStored", f"{allocated}, {stored}",
            "1, 8, 16 or 32 allocated, no more stored",
        )  # fmt: skip
    if high is not None and int(high) != stored - 1:
        raise bad(18, name, "HighBit (0028,0102)", int(high), f"BitsStored - 1 = {stored - 1}")
    sign = number(dataset, "PixelRepresentation", name)
    if sign not in (None, 0.0, 1.0):
        raise bad(18, name, "PixelRepresentation (0028,0103)", int(sign), "0 or 1")


def _known_charset(dataset: Dataset) -> bool:
    """Tell whether every character set named is one that the standard defines."""
    try:
        with quiet():
            found = dataset.SpecificCharacterSet
    except LIBRARY_ERRORS:
        return False
    names = [found] if isinstance(found, str) else list(found or [])
    # an empty first value means the default set; an element with nothing at all is no set
    return any(names) and all(str(item) in python_encoding for item in names)
