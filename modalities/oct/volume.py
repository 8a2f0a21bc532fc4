"""What every OCT format reader returns: B-scans as stored, with the facts that the file gave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from modalities.oct.options import OctOptions
from workbench.errors import BadInput

Array = NDArray[Any]
Spacing = tuple[float | None, float, float]


@dataclass(frozen=True)
class Volume:
    """B-scans of one eye, before any change of range or size.

    Attributes:
        frames: (D, H, W) stored values; D along the slow axis, H depth from the vitreous, W fast.
        kind: `display` for pictures, `linear` for raw reflectivity.
        white: stored value that stands for 1.0; None when the values are floats in 0..1.
        spacing_mm: (between B-scans, depth, width), the first None for a lone B-scan; None where
            the file does not say.
        laterality: "R", "L" or None.
        valid: (D, H, W) bool, False where the device measured nothing; None = all.
        meta: further facts, such as "source_format" or "quality_db".
        flags: what was repaired or suspicious.
    """

    frames: Array
    kind: Literal["display", "linear"] = "display"
    white: float | None = None
    spacing_mm: Spacing | None = None
    laterality: str | None = None
    valid: NDArray[np.bool_] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


def check_size(name: str, shape: tuple[int, int, int], item: int, options: OctOptions) -> None:
    """Refuse a declared size (B-scans, depth, width) x bytes before anything is allocated.

    Raises:
        BadInput: more B-scans or bytes than the options allow, or an empty axis.
    """
    frames, height, width = shape
    if min(shape) < 1:
        raise BadInput(
            "E-OCT-003", file=name, field="size", found=f"{frames} x {height} x {width}",
            expected="at least one pixel per axis",
        )  # fmt: skip
    if frames > options.max_frames:
        raise BadInput(
            "E-OCT-003", file=name, field="number of B-scans", found=frames,
            expected=f"at most {options.max_frames} (limit max_frames)",
        )  # fmt: skip
    size, limit = frames * height * width * item, options.limit_mb << 20
    if size > limit:
        raise BadInput(
            "E-OCT-003", file=name, field="decoded size",
            found=f"{size} bytes ({frames} x {height} x {width} x {item})",
            expected=f"at most {limit} bytes (limit limit_mb)",
        )  # fmt: skip


def usable_spacing(values: tuple[Any, Any, Any], *, lone: bool = False) -> Spacing | None:
    """Return spacing in mm when every number is finite and positive, else None; nothing is assumed.

    Args:
        values: (between B-scans, depth, width) as the file has them.
        lone: there is one B-scan, so that the first number means nothing and becomes None.
    """
    try:
        step, depth, width = (float(v) for v in ((1.0, *values[1:]) if lone else values))
    except (TypeError, ValueError):
        return None
    if not all(math.isfinite(v) and v > 0 for v in (step, depth, width)):
        return None
    return (None if lone else step, depth, width)
