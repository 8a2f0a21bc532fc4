"""Checks compressed DICOM frames against their header before a native decoder sees them."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import get_j2k_parameters
from pydicom.uid import JPEGExtended12Bit

from modalities.dicom_header import Geometry, bad, number, pixel_length

_FRAGMENT_LIMIT = 100_000
_ITEM = b"\xfe\xff\x00\xe0"
_END = b"\xfe\xff\xdd\xe0"
_START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


def check_streams(dataset: Dataset, geometry: Geometry, name: str) -> tuple[str, ...]:
    """Return flags of the encapsulated pixel data; raises BadInput for what must not be decoded.

    Raises:
        BadInput: no decoder (E-DCM-006), too many fragments (E-DCM-029), fewer fragments than
            frames or streams of another size (E-DCM-004).
    """
    _require_decoder(geometry, name)
    pixel_length(dataset, name)
    fragments, offsets = _fragments(dataset, name)
    streams = [fragment for fragment in fragments if len(fragment) > 0]
    if len(streams) < geometry.frames:
        raise bad(
            4, name, f"frame {len(streams) + 1} of {geometry.frames}", "no data",
            f"{geometry.frames} compressed frames",
        )  # fmt: skip
    flags = [f"F-DCM-020 first-frame-of-{offsets}"] if offsets > geometry.frames == 1 else []
    for stream in streams:
        size = stream_size(stream)
        if size is not None and size != (geometry.rows, geometry.columns):
            raise bad(
                4, name, "compressed stream", f"{size[0]} x {size[1]} pixels",
                f"Rows {geometry.rows} x Columns {geometry.columns}",
            )  # fmt: skip
    _refuse_twelve_bits(streams[0], geometry, name)
    declared = number(dataset, "PixelRepresentation", name) or 0
    signed = get_j2k_parameters(streams[0]).get("is_signed")
    if signed is not None and bool(declared) != signed:
        flags.append("F-DCM-019 sign-by-stream")
    return tuple(flags)


def stream_size(stream: bytes) -> tuple[int, int] | None:
    """Return (rows, columns) that a JPEG, JPEG-LS or JPEG 2000 stream declares; None if unknown.

    Sources: ITU-T T.81 B.2.2 (start of frame), T.87 C.2.2, T.800 A.5.1 (SIZ).
    """
    if stream[:4] == b"\xff\x4f\xff\x51":
        right, bottom, left, top = (
            int.from_bytes(stream[at : at + 4], "big") for at in (8, 12, 16, 20)
        )
        return bottom - top, right - left
    if stream[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 < len(stream):
        if stream[at] != 0xFF:
            return None
        if stream[at + 1] == 0xFF:
            at += 1
        elif stream[at + 1] in _START_OF_FRAME:
            rows, columns = stream[at + 5 : at + 7], stream[at + 7 : at + 9]
            return int.from_bytes(rows, "big"), int.from_bytes(columns, "big")
        else:
            at += 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
    return None


def _require_decoder(geometry: Geometry, name: str) -> None:
    """Refuse a compressed syntax that nothing installed can decode (D06)."""
    try:
        decoder = get_decoder(geometry.syntax)
        missing = [] if decoder.is_available else list(decoder.missing_dependencies)
    except NotImplementedError:
        missing = ["a decoder (none exists for this syntax)"]
    if missing:
        raise bad(
            6, name, "TransferSyntaxUID (0002,0010)", geometry.syntax_name,
            "an uncompressed, RLE, JPEG, JPEG-LS or JPEG 2000 syntax",
            f"Install {' or '.join(missing)}, or convert the file.",
        )  # fmt: skip


def _refuse_twelve_bits(stream: bytes, geometry: Geometry, name: str) -> None:
    """Refuse 12-bit lossy JPEG, which no decoder with a permissive licence reads (D06)."""
    at = stream.find(b"\xff\xc1")
    lossy = geometry.syntax == JPEGExtended12Bit and at >= 0
    if lossy and stream[at + 4 : at + 5] == b"\x0c":
        raise bad(
            6, name, "TransferSyntaxUID (0002,0010)", f"{geometry.syntax_name}, 12 bits",
            "8 bits, or another syntax", "Convert the file to JPEG 2000 or to no compression.",
        )  # fmt: skip


def _fragments(dataset: Dataset, name: str) -> tuple[list[bytes], int]:
    """Return the fragments and how many frames the offset table names (PS3.5 A.4)."""
    data = dataset.PixelData
    items: list[bytes] = []
    at = 0
    while data[at : at + 4] == _ITEM and len(items) <= _FRAGMENT_LIMIT:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        items.append(data[at + 8 : at + 8 + length])
        if len(items[-1]) != length:
            raise bad(
                4, name, f"fragment {len(items) - 1}", f"{len(items[-1])} bytes", f"{length} bytes"
            )
        at += 8 + length
    if len(items) > _FRAGMENT_LIMIT:
        raise bad(29, name, "PixelData fragments", f"over {_FRAGMENT_LIMIT}", "fewer")
    if not items or data[at : at + 4] not in (b"", _END):
        raise bad(4, name, f"fragment {len(items)}", "no item tag", "an item or the end")
    return items[1:], len(items[0]) // 4
