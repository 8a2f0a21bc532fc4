"""Reads OCT volumes from .npy arrays."""

from __future__ import annotations

import struct
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modalities.oct.options import OctOptions
from modalities.oct.volume import Volume, check_size
from workbench.errors import BadInput

_DAMAGE = (
    ValueError, OSError, EOFError, SyntaxError, OverflowError, TypeError, AttributeError,
    LookupError, MemoryError, struct.error, TokenError,
)  # fmt: skip
_KINDS = ("uint8", "uint16", "float16", "float32", "float64")


def read_npy(path: Path, name: str, options: OctOptions) -> Volume:
    """Return an array of two or three axes; its header is checked before its values are read.

    Raises:
        BadInput: object or other dtype (E-OCT-014), too large (E-OCT-003), or cut (E-OCT-002).
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGE as cause:
        raise BadInput(
            "E-OCT-002", file=name, field=".npy", found=f"{type(cause).__name__} on reading",
            expected="a complete array without objects",
        ) from None  # fmt: skip
    return Volume(as_frames(array, name, options), meta={"source_format": "npy"})


def as_frames(
    array: NDArray[Any], name: str, options: OctOptions, *, auto: str = "d h w"
) -> NDArray[Any]:
    """Return (D, H, W) in memory from an array whose axes the options name.

    Args:
        array: two or three axes; lone trailing axes are dropped.
        name: how messages call the file.
        options: `array_axes` and the limits.
        auto: what `array_axes: auto` stands for in this format.
    """
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    axes = (auto if options.array_axes == "auto" else options.array_axes).split()
    if array.ndim == 2:
        axes = [axis for axis in axes if axis != "d"]
    if array.ndim not in (2, 3) or array.dtype.name not in _KINDS:
        raise BadInput(
            "E-OCT-014", file=name, field="array", found=f"{array.shape} {array.dtype}",
            expected=f"two or three axes of {', '.join(_KINDS)}",
        )  # fmt: skip
    array = array.transpose([axes.index(axis) for axis in "dhw" if axis in axes])
    array = array if array.ndim == 3 else array[None]
    frames, height, width = (int(n) for n in array.shape)
    check_size(name, (frames, height, width), max(array.dtype.itemsize, 4), options)
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("="), copy=False)
