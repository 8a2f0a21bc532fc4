"""Decodes one X-ray cell, whatever its format, chosen by the file's first bytes."""

from __future__ import annotations

from pathlib import Path

from modalities.dicom_header import bad
from modalities.xray.formats.dicom_file import peek_dicom, read_dicom
from modalities.xray.formats.raster_file import UNKNOWN, peek_raster, read_raster
from modalities.xray.options import XrayOptions
from modalities.xray.prepare import prepare
from workbench.modality import Sample, Source

_RASTERS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# a DICOM file without preamble begins with a group below 0x0010, little or big endian
_BARE_GROUPS = {b"\x02\x00", b"\x08\x00", b"\x00\x08", b"\x00\x02"}


def read(source: Source, options: XrayOptions) -> Sample:
    """Return (C, H, W) float32 by the contract in force.

    Raises:
        BadInput: the file cannot be trusted; the catalogue code says why.
    """
    path = source.path()
    decode = read_dicom if _is_dicom(path, source.name) else read_raster
    picture = decode(path, source.name, options)
    data, valid = prepare(picture.grey, options.preset)
    return Sample(data, valid, picture.meta, picture.flags)


def peek(source: Source, options: XrayOptions) -> None:
    """Raise BadInput for what the header alone gives away."""
    path = source.path()
    look = peek_dicom if _is_dicom(path, source.name) else peek_raster
    look(path, source.name, options)


def _is_dicom(path: Path, name: str) -> bool:
    """Tell DICOM from PNG, JPEG and TIFF by content; the suffix says nothing.

    Raises:
        BadInput: neither (E-DCM-104).
    """
    if not path.is_file():
        raise bad(UNKNOWN, name, "path", "a folder", "a file")
    with open(path, "rb") as stream:
        head = stream.read(132)
    # a dual file (a TIFF header in the preamble) is DICOM first
    if head[128:132] == b"DICM":
        return True
    if head.startswith(_RASTERS):
        return False
    if head[:2] in _BARE_GROUPS:
        return True
    raise bad(UNKNOWN, name, "first bytes", "no known format", "DICOM, PNG, JPEG or TIFF")
