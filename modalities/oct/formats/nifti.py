"""Reads OCT volumes from NIfTI (.nii, .nii.gz)."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np

from modalities.oct.formats.arrays import as_frames
from modalities.oct.options import OctOptions
from modalities.oct.volume import Volume, check_size, usable_spacing
from workbench.errors import BadInput
from workbench.files import MEGABYTE, read_bytes

_MM = {1: 1e3, 2: 1.0, 3: 1e-3}  # metre, millimetre, micrometre
_DAMAGE = (ValueError, OSError, EOFError, KeyError, TypeError, OverflowError, struct.error)


def read_nifti(path: Path, name: str, options: OctOptions) -> Volume:
    """Return the array with spacing in mm; gzip is inflated under the limits (E-OCT-018).

    NIfTI does not name OCT axes: i is taken as the fast axis, j as depth, k as the B-scans, unless
    `array_axes` says otherwise.
    """
    data = read_bytes(path, name=name, code="E-OCT-018", limit=(options.limit_mb + 1) * MEGABYTE)
    image, header = _parse(data, name)
    shape = [int(n) for n in header.get_data_shape()]
    item = max(int(header.get_data_dtype().itemsize), 4)
    product = 1
    for n in shape:
        product *= max(n, 0)
    check_size(name, (1, 1, product), item, options)
    try:
        array = np.asanyarray(image.dataobj)
    except _DAMAGE as cause:
        raise _damaged(name, cause) from None
    frames = as_frames(array, name, options, auto="w h d")
    placed = int(header["qform_code"]) > 0 or int(header["sform_code"]) > 0
    return Volume(
        frames,
        spacing_mm=usable_spacing(_spacing(header, options), lone=len(frames) == 1),
        meta={"source_format": "nifti"},
        flags=() if placed else ("F-OCT-018 no-orientation",),
    )


def _parse(data: bytes, name: str) -> tuple[Any, Any]:
    """Return nibabel's lazy image and its header."""
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    kind = nibabel.Nifti2Image if data[4:8] in (b"n+2\0", b"ni2\0") else nibabel.Nifti1Image
    try:
        image = kind.from_stream(io.BytesIO(data))
        return image, image.header
    except (*_DAMAGE, ImageFileError, HeaderDataError) as cause:
        raise _damaged(name, cause) from None


def _spacing(header: Any, options: OctOptions) -> tuple[Any, Any, Any]:
    """Return (between B-scans, depth, width) in mm; an unknown unit is not taken for mm."""
    unit = _MM.get(int(header["xyzt_units"]) & 7)  # the three bits of the unit of space
    zooms = [float(v) for v in header.get_zooms()[:3]]
    if unit is None or len(zooms) < 2:
        return None, None, None
    zooms += [float("nan")] * (3 - len(zooms))
    axes = ("w h d" if options.array_axes == "auto" else options.array_axes).split()
    depth, height, width = (unit * zooms[axes.index(axis)] for axis in "dhw")
    return depth, height, width


def _damaged(name: str, cause: BaseException) -> BadInput:
    return BadInput(
        "E-OCT-002", file=name, field="NIfTI", found=f"{type(cause).__name__} on reading",
        expected="a complete NIfTI file",
    )  # fmt: skip
