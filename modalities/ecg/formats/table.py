"""Reads ECGs from CSV and .npy files, whose rate, leads and unit come from the options or a header."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modalities.ecg.leads import lead_named
from modalities.ecg.options import ECGOptions
from modalities.ecg.recording import Channel, Recording, check_size, checked_rate
from workbench.errors import BadInput
from workbench.files import read_bytes

_NUMBER = re.compile(r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$")
_RATE = re.compile(r"(?:rate|frequency|fs)\D{0,24}?(\d+(?:\.\d+)?)", re.IGNORECASE)
_TIME = re.compile(r"^\s*(time|t|seconds|sample)\b", re.IGNORECASE)
_LIMIT = 512 << 20


def read_csv(path: Path, name: str, options: ECGOptions) -> Recording:
    """Read a comma-, semicolon- or tab-separated table with one column per lead.

    Lead names come from a header row or from `table_leads`; the rate from `table_rate_hz` or a "# rate 500"
    line above the table. Empty cells are gaps.

    Raises:
        BadInput: names or rate unknown, or a cell that is no number, decimal commas included (E-ECG-026).
    """
    data = read_bytes(path, name=name, code="E-ECG-026", limit=_LIMIT)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(
            "E-ECG-026", file=name, field="text", found="not UTF-8", expected="a CSV in UTF-8"
        ) from None
    notes = [line for line in text.splitlines() if line.startswith("#")]
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise BadInput("E-ECG-026", file=name, field="rows", found=0, expected="one or more")
    separator = next((mark for mark in (";", "\t") if mark in lines[0]), ",")
    first = next(csv.reader(io.StringIO(lines[0]), delimiter=separator))
    named = any(lead_named(word) for word in first)
    leads = tuple(word.strip() for word in first) if named else options.table_leads
    check_size(len(lines), len(first), limit=options.max_samples, name=name)
    matrix = _matrix(lines[1:] if named else lines, separator, len(first), name=name)
    rate = options.table_rate_hz or next((m[1] for n in notes if (m := _RATE.search(n))), None)
    return _recording("CSV", matrix, leads, rate=rate, name=name, options=options)


def _matrix(lines: list[str], separator: str, width: int, *, name: str) -> NDArray[np.float64]:
    """Return (columns, rows); an empty cell is NaN."""
    matrix = np.full((width, len(lines)), np.nan)
    for row, cells in enumerate(csv.reader(lines, delimiter=separator)):
        if len(cells) != width:
            raise BadInput(
                "E-ECG-026", file=f"{name}:{row + 1}", field="columns", found=len(cells),
                expected=width, fix="A decimal comma splits a cell; write a decimal point.",
            )  # fmt: skip
        for column, cell in enumerate(cells):
            if _NUMBER.match(cell):
                matrix[column, row] = float(cell)
            elif cell.strip() and cell.strip().lower() != "nan":
                comma = _NUMBER.match(cell.replace(",", ".", 1)) is not None
                raise BadInput(
                    "E-ECG-026", file=f"{name}:{row + 1}", field=f"column {column + 1}",
                    found="a decimal comma" if comma else "no number",
                    expected="a number with a decimal point",
                )  # fmt: skip
    return matrix


def read_npy(path: Path, name: str, options: ECGOptions) -> Recording:
    """Read a (leads, samples) or (samples, leads) array of numbers; never a pickled object.

    Raises:
        BadInput: another kind of array, more than the limit, or leads or rate unknown.
    """
    shape, kind = _npy_header(path, name)
    if len(shape) != 2 or kind not in "iuf" or not options.table_leads:
        raise BadInput(
            "E-ECG-104", file=name, field="array",
            found=f"shape {shape}, kind {kind!r}, {len(options.table_leads)} names in table_leads",
            expected="2-D numbers and options.table_leads naming the rows",
        )  # fmt: skip
    check_size(shape[0], shape[1], limit=options.max_samples, name=name)
    try:
        values = np.load(path, mmap_mode="r")
    except ValueError:
        raise BadInput(
            "E-ECG-006", file=name, field="array data", found="fewer bytes than the header declares",
            expected=f"shape {shape}",
        ) from None  # fmt: skip
    rows = values if shape[0] == len(options.table_leads) else values.T
    matrix = np.asarray(rows, np.float64)
    return _recording(
        "npy", matrix, options.table_leads, rate=options.table_rate_hz, name=name, options=options
    )


def _npy_header(path: Path, name: str) -> tuple[tuple[int, ...], str]:
    """Return shape and kind of an array file without reading its data."""
    try:
        with open(path, "rb") as stream:
            version = np.lib.format.read_magic(stream)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read(stream)
    except (ValueError, OSError, EOFError, SyntaxError) as cause:
        raise BadInput(
            "E-ECG-104", file=name, field="array header",
            found=f"damaged data ({type(cause).__name__})", expected="a .npy file",
        ) from None  # fmt: skip
    return shape, dtype.kind


def _recording(
    kind: str,
    matrix: NDArray[np.float64],
    leads: tuple[str, ...],
    *,
    rate: Any,
    name: str,
    options: ECGOptions,
) -> Recording:
    """Name the rows, check the rate and bring the values to millivolts."""
    if len(leads) != len(matrix):
        raise BadInput(
            "E-ECG-013", file=name, field="lead names", found=f"{len(leads)} for {len(matrix)} signals",
            expected="one per signal", fix="Write options.table_leads.",
        )  # fmt: skip
    if rate is None:
        raise BadInput(
            "E-ECG-012", file=name, field="sampling rate", found="none",
            expected="options.table_rate_hz, or a '# rate 500' line in a CSV",
        )  # fmt: skip
    rate_hz = checked_rate(rate, name=name)
    if options.table_unit is None and options.strict:
        raise BadInput(
            "E-ECG-010", file=name, field="unit", found="none", expected="options.table_unit"
        )
    factor = 1e-3 if options.table_unit == "uV" else 1.0
    flags = ("F-ECG-010 unit-assumed",) if options.table_unit is None else ()
    channels = tuple(
        Channel(lead, row * factor, rate_hz)
        for lead, row in zip(leads, matrix, strict=True)
        if not _TIME.match(lead)
    )
    return Recording(kind, channels, flags)
