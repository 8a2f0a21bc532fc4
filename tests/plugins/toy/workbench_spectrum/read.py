"""Reads one CSV file, a row `wavelength_nm,reflectance` per measurement, onto an even grid."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field, model_validator

from workbench.errors import BadInput
from workbench.files import read_bytes
from workbench.modality import Array, Options, Sample, Source

HEADER = "wavelength_nm,reflectance"
LIMIT = 1e6
MOST_BYTES = 16 << 20


class SpectrumOptions(Options):
    """The grid that every file is brought to by linear interpolation."""

    points: int = Field(128, ge=16, le=65536, multiple_of=8, description="points of the grid")
    low: float = Field(400.0, allow_inf_nan=False, description="wavelength of the first point")
    high: float = Field(1000.0, allow_inf_nan=False, description="wavelength of the last point")

    @model_validator(mode="after")
    def _rises(self) -> SpectrumOptions:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


def read(source: Source, options: SpectrumOptions) -> Sample:
    """Decode a file to (points,) float32; points outside the measured range are not valid.

    Raises:
        BadInput: not text, another header, fewer than two rows, numbers that are none, too large
            or out of order, or nothing measured inside the grid.
    """
    rows = _rows(source)
    place, value = rows[:, 0], rows[:, 1]
    if not (np.diff(place) > 0).all():
        raise _bad(source, "005", "wavelength_nm", "values out of order", "rising values")
    grid = np.linspace(options.low, options.high, options.points)
    valid = (grid >= place[0]) & (grid <= place[-1])
    if not valid.any():
        raise _bad(source, "006", "wavelength_nm", f"{place[0]:g} to {place[-1]:g}",
                   f"some of {options.low:g} to {options.high:g}")  # fmt: skip
    data = np.where(valid, np.interp(grid, place, value), 0.0).astype(np.float32)
    flags = () if valid.all() else ("F-SPECTRUM-010 short",)
    return Sample(data, valid, {"rows": len(rows)}, flags)


def _rows(source: Source) -> Array:
    """Return (rows, 2) float64, every number checked."""
    raw = read_bytes(source.path(), name=source.name, code="E-SPECTRUM-001", limit=MOST_BYTES)
    try:
        lines = raw.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise _bad(source, "001", "encoding", "bytes that are not UTF-8", "UTF-8 text") from None
    if lines[0].strip() != HEADER:
        raise _bad(source, "002", "line 1", f"{len(lines[0])} other characters", repr(HEADER))
    rows = [_numbers(source, n, line) for n, line in enumerate(lines[1:], 2) if line.strip()]
    if len(rows) < 2:
        raise _bad(source, "003", "rows", len(rows), "two or more")
    return np.array(rows, dtype=np.float64)


def _numbers(source: Source, line: int, text: str) -> tuple[float, float]:
    """Return the two numbers of a line."""
    try:
        first, second = (float(cell) for cell in text.split(","))
    except ValueError:
        raise _bad(source, "004", f"line {line}", "other text", "two numbers") from None
    if not (math.isfinite(first) and abs(second) <= LIMIT):
        raise _bad(source, "004", f"line {line}", f"{second:g}", f"at most {LIMIT:g}")
    return first, second


def _bad(source: Source, number: str, field: str, found: object, expected: str) -> BadInput:
    return BadInput(
        f"E-SPECTRUM-{number}", file=source.name, field=field, found=found, expected=expected
    )
