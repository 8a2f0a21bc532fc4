"""Reads a single B-scan from PNG, JPEG or BMP."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from modalities.oct.options import OctOptions
from modalities.oct.volume import Volume, check_size
from workbench.errors import BadInput

_FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
_DEEP = {"I;16": np.uint16, "I;16B": np.uint16, "I;16L": np.uint16, "I": np.uint16}
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, UnidentifiedImageError)


def read_picture(path: Path, name: str, options: OctOptions) -> Volume:
    """Return a volume of one B-scan."""
    with open(path, "rb") as stream:
        frame, flags = decode(stream, name, options)
    return Volume(frame[None], meta={"source_format": "picture"}, flags=flags)


def decode(
    stream: IO[bytes], name: str, options: OctOptions
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Decode one picture to grey (H, W), uint8 or uint16, its size checked before its pixels.

    Raises:
        BadInput: too large (E-OCT-003), damaged or cut (E-OCT-002), or in colour (E-OCT-101).
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(stream, formats=_FORMATS)
        check_size(name, (1, picture.height, picture.width), 4, options)
        mode = picture.mode
        picture.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadInput(
            "E-OCT-003", file=name, field="size", found="more pixels than the bomb limit",
            expected="at most 89 million pixels",
        ) from None  # fmt: skip
    except _DAMAGE as cause:
        raise BadInput(
            "E-OCT-002", file=name, field="picture", found=f"{type(cause).__name__} on decoding",
            expected="a complete PNG, JPEG, BMP or TIFF",
        ) from None  # fmt: skip
    if mode in _DEEP:
        return np.asarray(picture).astype(_DEEP[mode]), ()
    if mode in ("L", "1"):
        return np.asarray(picture.convert("L")), ()
    return grey(np.asarray(picture.convert("RGB")), name)


def grey(colour: NDArray[Any], name: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return one channel of grey stored as colour (H, W, 3 or 4).

    Raises:
        BadInput: the channels differ, so it is no B-scan but an annotated or colour picture.
    """
    colour = colour[..., :3]
    spread = int((colour.max(axis=-1) - colour.min(axis=-1)).max())
    if spread > 0.1 * np.iinfo(colour.dtype).max:
        raise BadInput(
            "E-OCT-101", file=name, field="colour", found=f"channels that differ by {spread}",
            expected="grey B-scans", fix="Export without coloured annotation.",
        )  # fmt: skip
    return np.ascontiguousarray(colour[..., 1]), ("F-OCT-101 grey-as-colour",)
