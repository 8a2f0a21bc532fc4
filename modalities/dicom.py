"""Opens DICOM files so that no header can blow up memory, and decodes their stored pixels.

The three functions that a modality needs: `open_dicom`, `frames` and `grayscale` (which lives in
`dicom_display`). Header checks are in `dicom_header`, compressed streams in `dicom_stream`.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from modalities.dicom_display import grayscale
from modalities.dicom_header import (
    LIBRARY_ERRORS,
    Geometry,
    bad,
    header_flags,
    number,
    pixel_length,
    quiet,
    read_geometry,
    value,
)
from modalities.dicom_stream import check_streams
from workbench.files import INFLATE_LIMIT, MEGABYTE, RATIO_FREE, RATIO_LIMIT

__all__ = ["frames", "grayscale", "open_dicom", "open_header"]

_FILE_LIMIT = 1024 * MEGABYTE
_DEFERRED = 4096
_GROUP_LENGTH = 0x00020000
_LONG_VRS = {b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT"}
_DEFLATED = DeflatedExplicitVRLittleEndian.encode()


def open_dicom(path: Path, name: str) -> Dataset:
    """Read a whole DICOM file.

    Args:
        path: file to read.
        name: how messages call it.

    Raises:
        BadInput: not DICOM (E-DCM-009), no transfer syntax (E-DCM-010), a deflated stream past the
            limit (E-DCM-028), a size past the limit (E-DCM-026), or a damaged file (E-DCM-002).
    """
    return _open(path, name, defer=None)


def open_header(path: Path, name: str) -> Dataset:
    """Read a DICOM file's header; values above 4 KiB stay on disk, with their length known.

    Raises:
        BadInput: as `open_dicom`, and E-DCM-001 when the pixel data end past the file.
    """
    dataset = _open(path, name, defer=_DEFERRED)
    pixels: Any = (
        dataset.get_item("PixelData", keep_deferred=True) if "PixelData" in dataset else None
    )
    end = getattr(pixels, "value_tell", 0) + max(getattr(pixels, "length", 0) or 0, 0)
    if _transfer_syntax(path, name)[0] != _DEFLATED.decode() and end > path.stat().st_size:
        raise bad(
            1, name, "PixelData (7FE0,0010)", f"an end at byte {end}",
            f"an end within the file of {path.stat().st_size} bytes",
        )  # fmt: skip
    return dataset


def frames(
    dataset: Dataset, name: str, *, limit_bytes: int = INFLATE_LIMIT
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Decode the stored values by transfer syntax, sizes checked before any buffer is made.

    YBR and palette images come back as RGB. Nothing is rescaled, windowed or inverted.

    Args:
        dataset: what `open_dicom` returned.
        name: how messages call the file.
        limit_bytes: most bytes the decoded pixels may have.

    Returns:
        Array (F, H, W), or (F, H, W, 3) for colour, in the stored integer type; and flags.

    Raises:
        BadInput: no image (E-DCM-011), a header that contradicts itself or the pixel data
            (E-DCM-001, 018, 020, 021, 023, 025), a size past the limit (E-DCM-026), a syntax
            without decoder (E-DCM-006) or a stream that does not decode (E-DCM-004).
    """
    geometry = read_geometry(dataset, name, limit_bytes)
    if geometry.encapsulated:
        flags = check_streams(dataset, geometry, name)
    else:
        flags = _check_native_length(dataset, geometry, name)
    array = _decode(dataset, geometry, name)
    _refuse_swapped_bytes(array, geometry, name)
    if geometry.photometric == "PALETTE COLOR":
        array = _palette(array, dataset, name)
    return array, (*header_flags(dataset), *flags)


def _open(path: Path, name: str, defer: int | None) -> FileDataset:
    """Parse a file, inflating a deflated one ourselves and forcing one without preamble."""
    size = path.stat().st_size
    if size > _FILE_LIMIT:
        raise bad(26, name, "file", f"{size} bytes", f"at most {_FILE_LIMIT} bytes")
    syntax, end = _transfer_syntax(path, name)
    deflated = syntax == _DEFLATED.decode()
    source = _inflated(path, name, end) if deflated else path
    try:
        with quiet():
            dataset = dcmread(source, force=True, defer_size=None if deflated else defer)
    except LIBRARY_ERRORS as cause:
        raise bad(2, name, "data set", _kind(cause), "a readable DICOM file") from None
    _settle_syntax(dataset, name)
    return dataset


def _transfer_syntax(path: Path, name: str) -> tuple[str | None, int]:
    """Walk the meta group (explicit little endian): transfer syntax and where the group ends."""
    with open(path, "rb") as stream:
        head = stream.read(MEGABYTE)
    at, syntax = 132, None
    while head[128:132] == b"DICM" and head[at : at + 2] == b"\x02\x00":
        long = head[at + 4 : at + 6] in _LONG_VRS
        start = at + (12 if long else 8)
        length = int.from_bytes(head[at + 8 : start] if long else head[at + 6 : start], "little")
        if head[at + 2 : at + 4] == b"\x10\x00":
            syntax = head[start : start + length].rstrip(b"\0 ").decode("ascii", "replace")
        at = start + length
    if syntax != _DEFLATED.decode() and _DEFLATED in head[: at + 256]:
        raise bad(28, name, "file meta group", "a hidden deflated syntax", "a readable meta group")
    return syntax, at


def _inflated(path: Path, name: str, end: int) -> io.BytesIO:
    """Return the file with its data set inflated under the limits, relabelled as not deflated."""
    data = path.read_bytes()
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = machine.decompress(data[end:], INFLATE_LIMIT + 1)
    except zlib.error:
        raise bad(28, name, "deflated data set", "damaged data", "a valid deflate stream") from None
    if len(body) > INFLATE_LIMIT or len(body) > max(RATIO_FREE, RATIO_LIMIT * len(data)):
        raise bad(
            28, name, "deflated data set", f"{len(body)} bytes or more",
            f"at most {INFLATE_LIMIT} bytes and {RATIO_LIMIT} times the file",
        )  # fmt: skip
    plain = ExplicitVRLittleEndian.encode().ljust(len(_DEFLATED), b"\0")
    return io.BytesIO(data[:end].replace(_DEFLATED, plain, 1) + body)


def _settle_syntax(dataset: FileDataset, name: str) -> None:
    """Refuse a meta group without syntax; where there is no group at all, take what was parsed."""
    meta = getattr(dataset, "file_meta", None) or FileMetaDataset()
    try:
        with quiet():
            known = bool(meta.get("TransferSyntaxUID"))
    except LIBRARY_ERRORS:
        known = False
    if known:
        return
    expected = "a transfer syntax UID"
    if any(int(tag) != _GROUP_LENGTH for tag in meta.keys()):  # noqa: SIM118  a value may not decode
        raise bad(10, name, "TransferSyntaxUID (0002,0010)", "nothing", expected)
    if not value(dataset, "SOPClassUID", name):
        raise bad(9, name, "file", "no DICM prefix or SOP class", "a DICOM file")
    implicit, little = dataset.original_encoding
    native = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = native if little else ExplicitVRBigEndian


def _check_native_length(dataset: Dataset, geometry: Geometry, name: str) -> tuple[str, ...]:
    """Compare the bytes there are with the bytes the header promises."""
    found, expected = pixel_length(dataset, name), geometry.native_bytes
    excess = found - expected - expected % 2
    if found < expected:
        raise bad(
            21 if geometry.bits_allocated == 1 else 1, name, "PixelData (7FE0,0010)",
            f"{found} bytes", f"{expected} ({geometry.formula})",
        )  # fmt: skip
    if excess <= 0:
        return ()
    if geometry.bits_allocated == 1:
        raise bad(21, name, "PixelData (7FE0,0010)", f"{found} bytes", f"{expected} (1 bit each)")
    if geometry.frames == 1 and found // expected > 1 and found % expected <= 1:
        return (f"F-DCM-020 first-frame-of-{found // expected}",)
    if any(dataset.PixelData[expected:]):
        raise bad(
            1, name, "PixelData (7FE0,0010)", f"{found} bytes", f"{expected} ({geometry.formula})"
        )
    return ("F-DCM-001 trailing-zeros",)


def _decode(dataset: Dataset, geometry: Geometry, name: str) -> NDArray[Any]:
    """Decode frame by frame, so that a failure can name its frame."""
    decoded: list[NDArray[Any]] = []
    try:
        with quiet():
            pixels = iter_pixels(dataset, indices=range(geometry.frames), allow_excess_frames=False)
            decoded.extend(pixels)
    except LIBRARY_ERRORS as cause:
        raise bad(
            4, name, f"frame {len(decoded) + 1} of {geometry.frames}", _kind(cause),
            f"{geometry.rows} x {geometry.columns} pixels of {geometry.syntax_name}",
        ) from None  # fmt: skip
    shapes = {frame.shape[:2] for frame in decoded}
    if len(decoded) != geometry.frames or shapes != {(geometry.rows, geometry.columns)}:
        raise bad(
            4, name, "decoded frames", f"{len(decoded)} of shapes {sorted(shapes)}",
            f"{geometry.frames} of {geometry.rows} x {geometry.columns}",
        )  # fmt: skip
    return np.stack(decoded)


def _refuse_swapped_bytes(array: NDArray[Any], geometry: Geometry, name: str) -> None:
    """Refuse 16-bit pixels that are smooth only when their bytes are swapped (D08)."""
    if geometry.encapsulated or array.dtype.itemsize != 2 or array.ndim != 3:
        return
    image = array[len(array) // 2]
    rough, smooth = _roughness(image), _roughness(image.byteswap())
    if rough > 4096 and smooth < 0.1 * rough:
        raise bad(8, name, "PixelData (7FE0,0010)", "swapped bytes", "the declared byte order")


def _roughness(image: NDArray[Any]) -> float:
    """Return the mean step between neighbours along a row."""
    return float(np.abs(np.diff(image.astype(np.float32), axis=1)).mean()) if image.size else 0.0


def _palette(array: NDArray[Any], dataset: Dataset, name: str) -> NDArray[Any]:
    """Return 8-bit RGB through the dataset's own palette."""
    try:
        with quiet():
            colour = np.stack([apply_color_lut(frame, dataset) for frame in array])
    except LIBRARY_ERRORS as cause:
        raise bad(24, name, "palette", _kind(cause), "a complete colour palette") from None
    bits = number(dataset, "RedPaletteColorLookupTableDescriptor", name, index=2) or 8
    scaled: NDArray[Any] = (colour[..., :3] >> (8 if bits > 8 else 0)).astype(np.uint8)
    return scaled


def _kind(cause: BaseException) -> str:
    """Name a library's exception without its text, which may hold values of the file."""
    return f"{type(cause).__name__} while decoding"
