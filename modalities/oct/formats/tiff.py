"""Reads B-scans from TIFF, one per page."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from modalities.oct.formats.pictures import grey
from modalities.oct.options import OctOptions
from modalities.oct.volume import Volume, check_size
from workbench.errors import BadInput

_NATIVE = (1, 8, 32946, 32773)  # none, two codes of deflate, PackBits
_DAMAGE = (
    ValueError, OSError, RuntimeError, LookupError, TypeError, AttributeError, EOFError,
    struct.error, zlib.error, MemoryError,
)  # fmt: skip


def read_tiff(path: Path, name: str, options: OctOptions) -> Volume:
    """Return the pages as B-scans, in file order."""
    with open(path, "rb") as stream:
        frames, flags = decode(stream, name, options)
    return Volume(frames, meta={"source_format": "tiff"}, flags=flags)


def decode(
    stream: IO[bytes], name: str, options: OctOptions
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Decode every page to (D, H, W), sizes checked before any pixel is read.

    Raises:
        BadInput: too large (E-OCT-003), damaged or cut (E-OCT-002), pages of different shape
            (E-OCT-100), or in colour (E-OCT-101).
    """
    from tifffile import TiffFile, TiffFileError

    try:
        with TiffFile(stream) as tiff:
            shape = _check(tiff, name, options)
            _refuse_broken_chain(tiff, stream)
            if all(int(page.compression) in _NATIVE for page in tiff.pages):
                frames = np.stack([_page(page) for page in tiff.pages])
            else:
                frames = _through_pillow(stream, len(tiff.pages))
    except (*_DAMAGE, TiffFileError) as cause:
        raise BadInput(
            "E-OCT-002", file=name, field="TIFF", found=f"{type(cause).__name__} on decoding",
            expected="complete TIFF pages",
        ) from None  # fmt: skip
    if len(shape) == 3:
        return grey(frames, name)
    return frames, ()


def _refuse_broken_chain(tiff: Any, stream: IO[bytes]) -> None:
    """Raise ValueError when the last page points to another one that lies past the end.

    tifffile only logs this and would hand back a shorter volume.
    """
    form, last = tiff.tiff, tiff.pages[len(tiff.pages) - 1]
    stream.seek(last.offset)
    (tags,) = struct.unpack(form.tagnoformat, stream.read(form.tagnosize))
    stream.seek(last.offset + form.tagnosize + tags * form.tagsize)
    (following,) = struct.unpack(form.offsetformat, stream.read(form.offsetsize))
    if following:
        raise ValueError("a page past the end")


def _through_pillow(stream: IO[bytes], count: int) -> NDArray[Any]:
    """Decode compressed pages (LZW, JPEG), for which tifffile would need another library."""
    from PIL import Image

    stream.seek(0)
    pages = []
    with Image.open(stream, formats=("TIFF",)) as picture:
        for index in range(count):
            picture.seek(index)
            pages.append(np.array(picture))
    return np.stack(pages)


def _page(page: Any) -> NDArray[Any]:
    """Return the pixels of one page; where 0 is white, it is turned round."""
    pixels: NDArray[Any] = page.asarray(maxworkers=1)
    if page.photometric == 0 and pixels.dtype.kind == "u":
        return np.iinfo(pixels.dtype).max - pixels
    return pixels


def _check(tiff: Any, name: str, options: OctOptions) -> tuple[int, ...]:
    """Return the shape all pages share, without decoding one."""
    pages = tiff.pages
    if len(pages) > options.max_frames:
        check_size(name, (len(pages), 1, 1), 1, options)
    shapes = {(tuple(page.shape), str(page.dtype)) for page in pages}
    if len(shapes) != 1:
        raise BadInput(
            "E-OCT-100", file=name, field="pages", found=f"{len(shapes)} different shapes",
            expected="pages of one shape and type",
        )  # fmt: skip
    shape = tuple(int(n) for n in pages[0].shape)
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[-1] not in (3, 4)):
        raise BadInput(
            "E-OCT-100", file=name, field="page shape", found=shape, expected="height x width"
        )
    item = int(np.dtype(pages[0].dtype).itemsize) * (shape[2] if len(shape) == 3 else 1)
    check_size(name, (len(pages), shape[0], shape[1]), item, options)
    return shape
