"""Recognises the format of an OCT file by its first bytes."""

from __future__ import annotations

import math
import re
import zlib
from pathlib import Path

from workbench.errors import BadInput

_HEAD = 1024
_MAGIC = (
    (b"HSF-", "vol"), (b"ep-", "vol"), (b"CMDb", "e2e"),
    (b"\x89PNG\r\n\x1a\n", "picture"), (b"\xff\xd8\xff", "picture"), (b"BM", "picture"),
    (b"II*\0", "tiff"), (b"MM\0*", "tiff"), (b"II+\0", "tiff"), (b"MM\0+", "tiff"),
    (b"\x93NUMPY", "npy"), (b"MATLAB 5.0", "mat"), (b"PK\x03\x04", "archive"),
)  # fmt: skip
_KNOWN = "DICOM, .vol, .e2e, PNG, JPEG, BMP, TIFF, NIfTI, .npy, MATLAB v5, zip, tar or a folder of B-scans"
_RAW_SIZE = re.compile(r"(\d{2,4})x(\d{2,4})(?:x(\d{2,4}))?")


def sniff(path: Path, name: str) -> str:
    """Return the format: one of the keys of `read._READERS`.

    Raises:
        BadInput: a format that is known and not supported, or not known (E-OCT-001, E-OCT-015).
    """
    if path.is_dir():
        return "folder"
    with open(path, "rb") as stream:
        head = stream.read(_HEAD)
    if head[128:132] == b"DICM":
        return "dicom"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar":
        return "archive"
    if _is_nifti(_inflated_head(head)):
        return "nifti"
    _refuse_vendor(path, name, head)
    if head[:2] in (b"\x02\x00", b"\x08\x00") or path.suffix.lower() in (".dcm", ".dicom"):
        return "dicom"
    raise _unread(name, f"unknown content ({head[:4].hex()})")


def _inflated_head(head: bytes) -> bytes:
    """Inflate the start of a gzip file, 1 KiB at most."""
    if head[:2] != b"\x1f\x8b":
        return head
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    except zlib.error:
        return b""


def _is_nifti(head: bytes) -> bool:
    """Tell NIfTI-1 (348-byte header) and NIfTI-2 (540) by header size and magic."""
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def _refuse_vendor(path: Path, name: str, head: bytes) -> None:
    """Name the vendor formats that are known and not read."""
    suffix = path.suffix.lower()
    if head.startswith(b"FOCT"):
        kind = "fda" if head[4:7] == b"FDA" else "fds"
        raise _unread(name, f"Topcon .{kind}", "Export DICOM from the device software.")
    if head.startswith((b"\x89HDF", b"MATLAB 7.3")):
        raise _unread(name, "HDF5 or MATLAB v7.3", "Save as MATLAB v7 or .npy.")
    if suffix == ".vol":
        raise _unread(name, f"no Heidelberg header ({head[:4].hex()})", "Export the .vol again.")
    if suffix in (".img", ".raw"):
        raise _raw(path, name)


def _raw(path: Path, name: str) -> BadInput:
    """Refuse raw cubes, which say nothing of their shape; name a size that cannot be right."""
    size = path.stat().st_size
    found = f"{size} bytes without header"
    named = _RAW_SIZE.search(path.name)
    if named:
        product = math.prod(int(number) for number in named.groups(default="1"))
        if product == 0 or size % product:
            found += f", not a multiple of {named.group(0)}"
    return BadInput(
        "E-OCT-015", file=name, field="raw cube", found=found,
        expected="a format that states its shape", fix="Export DICOM, or save the cube as .npy.",
    )  # fmt: skip


def _unread(name: str, found: str, fix: str = "") -> BadInput:
    return BadInput("E-OCT-001", file=name, field="format", found=found, expected=_KNOWN, fix=fix)
