"""Reads Heidelberg .e2e databases through eyepy, an optional dependency."""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from modalities.oct.options import OctOptions
from modalities.oct.volume import Volume, check_size, usable_spacing
from workbench.errors import BadInput, Refusal

_DAMAGE = (
    ValueError, TypeError, LookupError, AttributeError, OSError, EOFError, struct.error,
    MemoryError, OverflowError, ArithmeticError, RuntimeError,
)  # fmt: skip
_EYES = {"OD": "R", "OS": "L", "R": "R", "L": "L"}


def read_e2e(path: Path, name: str, options: OctOptions) -> Volume:
    """Return the first volume of the database.

    Raises:
        Refusal: eyepy is not installed.
        BadInput: too large (E-OCT-003), or cut, damaged or without a volume (E-OCT-002).
    """
    check_size(name, (1, 1, path.stat().st_size), 1, options)
    volume = _parse(path, name)
    data = np.asarray(volume.data)
    meta = volume.meta
    spacing = (meta.get("scale_z"), meta.get("scale_y"), meta.get("scale_x"))
    return Volume(
        data,
        spacing_mm=usable_spacing(spacing, lone=len(data) == 1),
        laterality=_EYES.get(str(meta.get("laterality"))),
        meta={"source_format": "heidelberg e2e"},
    )


def _parse(path: Path, name: str) -> Any:
    """Return eyepy's volume; whatever it raises or prints about the file stays here."""
    try:
        import eyepy
    except ImportError:
        raise Refusal(
            "E-OCT-104", file=name, field=".e2e", found="eyepy is not installed",
            expected="the extra [oct]", fix="pip install 'medbio-workbench[oct]'",
        ) from None  # fmt: skip
    from construct import ConstructError

    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            volume = eyepy.import_heyex_e2e(path)
            if np.asarray(volume.data).ndim != 3:
                raise ValueError("no volume")
    except (*_DAMAGE, ConstructError) as cause:
        raise BadInput(
            "E-OCT-002", file=name, field=".e2e", found=f"{type(cause).__name__} on reading",
            expected="a complete database with an OCT volume",
            fix="Export the volume again, as .vol or DICOM.",
        ) from None  # fmt: skip
    return volume
