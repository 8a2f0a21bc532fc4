"""Reads a folder of B-scan pictures as one volume, in the order of their numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from modalities.oct.formats import pictures, tiff
from modalities.oct.options import OctOptions
from modalities.oct.volume import Volume, check_size
from workbench.errors import BadInput
from workbench.paths import resolve_inside

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_EN_FACE = re.compile(r"(?:^|[^a-z])(ir|nir|slo|faf|fundus|cfp|enface|localizer)(?:[^a-z]|$)", re.I)
_NUMBER = re.compile(r"\d+")

Open = Callable[[str], AbstractContextManager[IO[bytes]]]


def read_folder(path: Path, name: str, options: OctOptions) -> Volume:
    """Return the pictures of a folder as B-scans; en-face pictures such as `ir.png` are left out.

    Raises:
        BadInput: no pictures, a missing number (E-OCT-017), two sizes (E-OCT-100), or damage.
    """
    names = [entry.name for entry in path.iterdir()]

    def open_one(member: str) -> AbstractContextManager[IO[bytes]]:
        return open(resolve_inside(member, path, allow_absolute=False), "rb")

    return stack(names, open_one, name, options=options)


def stack(names: Sequence[str], open_one: Open, name: str, *, options: OctOptions) -> Volume:
    """Read numbered pictures from wherever `open_one` finds them.

    Args:
        names: every name there is, in any order; what is no picture is ignored.
        open_one: opens one of them for reading.
        name: how messages call the whole.
        options: the reader's limits.
    """
    chosen, flags = in_order(names, name)
    first, more = _decode(chosen[0], open_one, name, options)
    check_size(name, (len(chosen), *first.shape), first.itemsize, options)
    frames = np.empty((len(chosen), *first.shape), dtype=first.dtype)
    frames[0] = first
    for index, member in enumerate(chosen[1:], start=1):
        frame, found = _decode(member, open_one, name, options)
        more = tuple({*more, *found})
        if frame.shape != first.shape or frame.dtype != first.dtype:
            raise BadInput(
                "E-OCT-100", file=f"{name}/{member}", field="size",
                found=f"{frame.shape} {frame.dtype}", expected=f"{first.shape} {first.dtype}",
            )  # fmt: skip
        frames[index] = frame
    return Volume(frames, meta={"source_format": "pictures"}, flags=(*flags, *more))


def in_order(names: Sequence[str], name: str) -> tuple[list[str], tuple[str, ...]]:
    """Return the B-scan pictures by the number in their names.

    Names hold several numbers: the one that differs between files counts. Steps must be equal
    (1, 2, 3 or 1, 4, 7); a lone larger step is a missing B-scan.

    Raises:
        BadInput: no picture, two of one number (E-OCT-010), or a missing number (E-OCT-017).
    """
    found = [n for n in names if n.lower().endswith(PICTURES) and not n.startswith(".")]
    kept = sorted(n for n in found if not _EN_FACE.search(Path(n).stem))
    flags = ("F-OCT-102 en-face-left-out",) if len(kept) < len(found) else ()
    if not kept:
        raise BadInput(
            "E-OCT-017", file=name, field="folder", found="no B-scan pictures",
            expected="PNG, JPEG, BMP or TIFF files",
        )  # fmt: skip
    if len(kept) == 1:
        return kept, flags
    numbers = _varying_numbers(kept, name)
    if len(set(numbers)) < len(numbers):
        raise BadInput(
            "E-OCT-010", file=name, field="numbers in names",
            found=f"{len(numbers)} files with {len(set(numbers))} numbers",
            expected="one number per B-scan",
        )  # fmt: skip
    order = sorted(range(len(kept)), key=lambda index: numbers[index])
    steps = {numbers[b] - numbers[a] for a, b in pairwise(order)}
    if len(steps) > 1:
        raise BadInput(
            "E-OCT-017", file=name, field="numbers in names",
            found=f"steps of {min(steps)} to {max(steps)}", expected="equal steps, none missing",
        )  # fmt: skip
    return [kept[index] for index in order], flags


def _varying_numbers(names: list[str], name: str) -> list[int]:
    """Return for each name the number in the place where the names differ, the last such place."""
    rows = [[int(word) for word in _NUMBER.findall(Path(n).stem)] for n in names]
    places = min(len(row) for row in rows)
    varying = [k for k in range(places) if len({row[k] for row in rows}) > 1]
    if not varying or len({len(row) for row in rows}) > 1:
        raise BadInput(
            "E-OCT-017", file=name, field="numbers in names", found="no common numbering",
            expected="names such as oct_000.png, oct_001.png",
        )  # fmt: skip
    best = max(varying, key=lambda k: (len({row[k] for row in rows}), k))
    return [row[best] for row in rows]


def _decode(
    member: str, open_one: Open, name: str, options: OctOptions
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Decode one picture, TIFF through its own reader."""
    label = f"{name}/{member}"
    with open_one(member) as stream:
        if member.lower().endswith((".tif", ".tiff")):
            pages, flags = tiff.decode(stream, label, options)
            if len(pages) != 1:
                raise BadInput("E-OCT-100", file=label, field="pages", found=len(pages), expected=1)
            return pages[0], flags
        return pictures.decode(stream, label, options)
