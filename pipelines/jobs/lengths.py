"""Checks rows of numbers, then lays them out as evaluation reads them: sorted, float32, of length one.

Legend: N rows, W columns.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eval.space import Floats
from pipelines.jobs.arrays import Matrix, Numbers
from pipelines.jobs.words import SHOWN
from workbench.errors import Refusal
from workbench.files import sync_folder

ROUNDED = 1e-3
"""A length this near to one was rounded, by float16 as a rule; it is scaled without asking."""
EXACT = 1e-5
"""A length this near to one is one."""
NOTHING = 1e-12
"""A vector shorter than this has no direction."""


@dataclass(frozen=True)
class Checked:
    """What a first reading of a matrix found.

    Attributes:
        shape: (N, W).
        furthest: largest distance of a row's length from one.
    """

    shape: tuple[int, int]
    furthest: float


def check_vectors(matrix: Matrix, ids: Sequence[str], *, normalise: bool) -> Checked:
    """Read vectors once and refuse what no score can rank.

    Raises:
        Refusal: rows that are not finite, that have no length, or whose length is not one while
            nobody asked for it to be made one.
    """
    lengths = _lengths(matrix, ids)
    _refuse_rows(matrix, ids, lengths < NOTHING, code="E-EMB-009", field="length",
                 expected="a direction; leave absent items out")  # fmt: skip
    off = np.abs(lengths - 1.0)
    if not normalise and (off > ROUNDED).any():
        raise Refusal(
            "E-EMB-009", file=matrix.name, field="length", expected="unit vectors",
            found=f"{int((off > ROUNDED).sum())} of {len(ids)} rows of length "
            f"{lengths.min():.4g} to {lengths.max():.4g}",
            fix="Add `normalise: true` to the store's file if only their direction counts.",
        )  # fmt: skip
    return Checked(matrix.shape, float(off.max(initial=0.0)))


def check_features(matrix: Matrix, ids: Sequence[str]) -> None:
    """Read features once. Raises Refusal for rows that are not finite."""
    _lengths(matrix, ids)


def lies_ready(matrix: Matrix, ids: Sequence[str], checked: Checked | None) -> bool:
    """Whether rows can be mapped where they lie: float32, sorted by id, of length one if asked."""
    mapped = matrix.mapped
    plain = mapped is not None and mapped.dtype == np.float32 and mapped.flags.c_contiguous
    unit = checked is None or checked.furthest <= EXACT
    return plain and unit and all(a < b for a, b in pairwise(ids))


def lay_out(matrix: Matrix, ids: Sequence[str], path: Path, *, unit: bool) -> None:
    """Write rows as a float32 .npy sorted by id, scaled to length one if `unit`; atomic."""
    temporary = path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    place = np.empty(len(ids), dtype=np.int64)
    place[np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.int64)] = np.arange(
        len(ids)
    )
    try:
        out = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=matrix.shape)
        start = 0
        for block in matrix.blocks():
            out[place[start : start + len(block)]] = _unit(block) if unit else block
            start += len(block)
        out.flush()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def scaled(values: Numbers) -> Floats:
    """Return (N, W) rows scaled to length one, as float32."""
    return _unit(values)


def _unit(block: Numbers) -> Floats:
    wide = np.asarray(block, dtype=np.float64)
    unit: Floats = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _lengths(matrix: Matrix, ids: Sequence[str]) -> NDArray[np.float64]:
    """Return the (N,) lengths of the rows, all of which are finite and fit float32."""
    found = [np.zeros(0)]
    for block in matrix.blocks():
        with np.errstate(over="ignore"):
            narrow = np.asarray(block, dtype=np.float32)
        found.append(np.linalg.norm(narrow.astype(np.float64), axis=1))
    lengths: NDArray[np.float64] = np.concatenate(found)
    _refuse_rows(matrix, ids, ~np.isfinite(lengths), code="E-EMB-008", field="numbers",
                 expected="finite float32 numbers in every row")  # fmt: skip
    return lengths


def _refuse_rows(
    matrix: Matrix, ids: Sequence[str], bad: NDArray[np.bool_], *, code: str, field: str,
    expected: str,
) -> None:  # fmt: skip
    """Refuse rows that a mask marks, naming how many and the first."""
    if bad.any():
        first = [ids[n] for n in np.flatnonzero(bad)[:SHOWN]]
        raise Refusal(code, file=matrix.name, field=field, expected=expected,
                      found=f"{int(bad.sum())} of {len(ids)} bad rows, first ids {first}")  # fmt: skip
