"""Reads B-scans from MATLAB v5 files, as Heidelberg toolboxes write them (B0, B1, ...)."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from modalities.oct.formats.arrays import as_frames
from modalities.oct.options import OctOptions
from modalities.oct.volume import Volume, check_size, usable_spacing
from workbench.errors import BadInput

_BSCAN = re.compile(r"^B(\d+)$")
_NAMES = ("images", "volume", "oct", "bscans", "img")
_EYES = {"OD": "R", "OS": "L"}
_DAMAGE = (
    ValueError, OSError, EOFError, KeyError, TypeError, IndexError, AttributeError,
    NotImplementedError, struct.error, zlib.error, MemoryError, OverflowError,
)  # fmt: skip
_BYTES = {"double": 8, "single": 4, "int16": 2, "uint16": 2, "int8": 1, "uint8": 1}


def read_mat(path: Path, name: str, options: OctOptions) -> Volume:
    """Return B0, B1, ... as B-scans (raw reflectivity), or one array under a usual name.

    Raises:
        BadInput: no such variable (E-OCT-103), too large (E-OCT-003), or damaged (E-OCT-002).
    """
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    try:
        inside = {row[0]: (row[1], row[2]) for row in whosmat(path)}
        chosen = _choose(inside, name)
        for key in chosen:
            _check(inside[key], len(chosen), name, options)
        wanted = [*chosen, "ScaleX", "ScaleZ", "Distance", "ScanPosition", "ScanPattern"]
        values = loadmat(path, variable_names=[w for w in wanted if w in inside])
    except (*_DAMAGE, MatReadError) as cause:
        raise BadInput(
            "E-OCT-002", file=name, field="MATLAB file", found=f"{type(cause).__name__} on reading",
            expected="a complete MATLAB v5 file",
        ) from None  # fmt: skip
    return _volume(values, chosen, name, options)


def _choose(inside: dict[str, tuple[tuple[int, ...], str]], name: str) -> list[str]:
    """Return the variables that hold B-scans, in order."""
    numbered = sorted((int(m.group(1)), key) for key in inside if (m := _BSCAN.match(key)))
    if numbered:
        return [key for _, key in numbered]
    usual = [key for key in inside if key.lower() in _NAMES]
    if len(usual) != 1:
        raise BadInput(
            "E-OCT-103", file=name, field="variables", found=f"{len(usual)} candidates",
            expected=f"B0, B1, ... or one of {', '.join(_NAMES)}",
        )  # fmt: skip
    return usual


def _check(entry: tuple[tuple[int, ...], str], count: int, name: str, options: OctOptions) -> None:
    """Refuse a variable that is too large or no picture, from the table of contents alone."""
    shape, kind = entry
    if kind not in _BYTES or len(shape) not in (2, 3):
        raise BadInput(
            "E-OCT-103", file=name, field="variable", found=f"{shape} {kind}",
            expected="a numeric array of two or three axes",
        )  # fmt: skip
    pixels = 1
    for n in shape:
        pixels *= n
    check_size(name, (count, 1, pixels), max(_BYTES[kind], 4), options)


def _volume(values: dict[str, Any], chosen: list[str], name: str, options: OctOptions) -> Volume:
    """Build the volume from the loaded variables."""
    if len({values[key].shape for key in chosen}) > 1:
        raise BadInput(
            "E-OCT-100", file=name, field="B-scans", found="different sizes", expected="one size"
        )
    many = len(chosen) > 1 or bool(_BSCAN.match(chosen[0]))
    array = np.stack([values[key] for key in chosen]) if many else values[chosen[0]]
    frames = array if many and array.ndim == 3 else as_frames(array, name, options, auto="h w d")
    pattern = int(_scalar(values, "ScanPattern") or 0)
    if pattern in (2, 5) and options.scans == "raster":
        raise BadInput(
            "E-OCT-007", file=name, field="ScanPattern", found=pattern,
            expected="a line or volume scan", fix="Set scans: any to read its B-scans.",
        )  # fmt: skip
    spacing = tuple(_scalar(values, key) for key in ("Distance", "ScaleZ", "ScaleX"))
    eye = values.get("ScanPosition")
    word = str(eye.flat[0]).strip("\0 ") if eye is not None and eye.size else ""
    return Volume(
        frames,
        kind="linear" if _BSCAN.match(chosen[0]) and frames.dtype.kind == "f" else "display",
        spacing_mm=usable_spacing((spacing[0], spacing[1], spacing[2]), lone=len(frames) == 1),
        laterality=_EYES.get(word),
        meta={"source_format": "matlab"},
    )


def _scalar(values: dict[str, Any], key: str) -> float | None:
    """Return a number stored as a 1 x 1 array, or None."""
    found = values.get(key)
    return float(found.flat[0]) if found is not None and found.size == 1 else None
