"""Reads PNG, JPEG or TIFF radiographs through Pillow, its bomb limit kept an error."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from modalities.dicom_header import bad
from modalities.xray.options import XrayOptions
from modalities.xray.picture import Grey, Picture
from workbench.errors import BadInput
from workbench.files import MEGABYTE

# rows 100 and up of the family are ours: the catalogue has no row for raster radiographs
DAMAGED, TOO_LARGE, UNKNOWN = 102, 103, 104
_PIXEL_LIMIT = 178_956_970
_ERRORS = (
    UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError,
    TypeError, KeyError, IndexError, EOFError, struct.error, zlib.error, OverflowError,
    MemoryError, NotImplementedError, AttributeError, RuntimeError, ZeroDivisionError,
)  # fmt: skip
_ORIENTATION, _PHOTOMETRIC = 0x0112, 262
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def read_raster(path: Path, name: str, options: XrayOptions) -> Picture:
    """Return the picture as grey in 0..1.

    8-bit values are divided by 255; deeper ones have no window, so they are stretched between two
    percentiles, as a DICOM file without window is.

    Raises:
        BadInput: damaged (E-DCM-102), too large (E-DCM-103), or several pages and none asked for
            (E-DCM-022).
    """
    flags: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(path, name, options) as image:
                kind, inverted = str(image.format).lower(), _white_is_zero(image)
                turned = _upright(image, flags)
                stored = _pixels(turned, flags)
    except BadInput:
        raise
    except _ERRORS as cause:
        raise bad(DAMAGED, name, "picture", type(cause).__name__, "a complete picture") from None
    grey = _to_grey(stored, name, options, flags)
    if inverted:
        flags.append("F-DCM-012 white-is-zero")
        grey = np.subtract(1.0, grey, dtype=np.float32)
    if options.phi == "strict":
        # no raster format can state that nothing is burned in; a flag on every file would be noise
        raise bad(34, name, "picture", f"a {kind} without annotation tag", "DICOM, tag NO")
    meta = {"format": kind, "rows": grey.shape[0], "columns": grey.shape[1],
            "bits_stored": stored.dtype.itemsize * 8}  # fmt: skip
    return Picture(grey, meta, tuple(flags))


def peek_raster(path: Path, name: str, options: XrayOptions) -> None:
    """Raise BadInput for what the picture's header alone gives away."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(path, name, options):
                pass
    except BadInput:
        raise
    except _ERRORS as cause:
        raise bad(DAMAGED, name, "picture", type(cause).__name__, "a complete picture") from None


def _opened(path: Path, name: str, options: XrayOptions) -> Image.Image:
    """Open lazily, check the size from the header, turn to the page wanted."""
    image = Image.open(path, formats=("PNG", "JPEG", "TIFF"))
    width, height = image.size
    size = width * height * max(1, len(image.getbands())) * (4 if image.mode in "IF" else 1)
    if width * height > _PIXEL_LIMIT or size > options.limit_mb * MEGABYTE:
        raise bad(
            TOO_LARGE, name, "picture size", f"{width} x {height} ({size} bytes)",
            f"at most {_PIXEL_LIMIT} pixels and {options.limit_mb} MB",
        )  # fmt: skip
    pages = int(getattr(image, "n_frames", 1))
    if pages > 1 and options.frame is None:
        raise bad(22, name, "pages", pages, "1", "Set `frame:` to choose one.")
    if (options.frame or 0) >= pages:
        raise bad(22, name, "pages", pages, f"more than {options.frame}")
    if options.frame:
        image.seek(options.frame)
    return image


def _white_is_zero(image: Image.Image) -> bool:
    """Tell a deep TIFF whose low values are white; Pillow inverts the 8-bit ones itself."""
    tags: Any = getattr(image, "tag_v2", {})
    return tags.get(_PHOTOMETRIC) == 0 and image.mode not in ("1", "L")


def _upright(image: Image.Image, flags: list[str]) -> Image.Image:
    """Turn the picture as its EXIF orientation says."""
    if image.getexif().get(_ORIENTATION, 1) in (1, 0):
        return image
    flags.append("F-DCM-101 exif-orientation")
    return ImageOps.exif_transpose(image)


def _pixels(image: Image.Image, flags: list[str]) -> NDArray[Any]:
    """Return (H, W) or (H, W, 3) values; transparency is dropped, and said so where it matters."""
    if image.mode in ("P", "CMYK", "YCbCr", "HSV", "LAB", "PA"):
        image = image.convert("RGB")
    if image.mode == "1":
        image = image.convert("L")
    stored = np.asarray(image)
    if stored.ndim == 3 and stored.shape[2] in (2, 4):
        if (stored[..., -1] != 255).any():
            flags.append("F-DCM-105 transparency-dropped")
        stored = stored[..., :-1]
    return stored[..., 0] if stored.ndim == 3 and stored.shape[2] == 1 else stored


def _to_grey(stored: NDArray[Any], name: str, options: XrayOptions, flags: list[str]) -> Grey:
    """Return grey in 0..1 of any depth."""
    if stored.dtype.itemsize == 1:
        eight = stored.astype(np.float32)
        if eight.ndim == 3:
            alike = bool((stored == stored[..., :1]).all())
            flags += [] if alike else ["F-DCM-024 colour-to-grey"]
            eight = eight[..., 0] if alike else eight @ _LUMA
        return np.asarray(np.clip(eight / np.float32(255), 0, 1), np.float32)
    values = stored.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.any():
        raise bad(DAMAGED, name, "picture", "no finite value", "numbers")
    low, high = np.percentile(values[finite], options.percentiles)
    if not finite.all():
        flags.append("F-DCM-106 not-finite")
        values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    flags.append("F-DCM-014 percentile-window")
    scale = 1.0 / (high - low) if high > low else 0.0
    return np.asarray(np.clip((values - np.float32(low)) * np.float32(scale), 0, 1), np.float32)
