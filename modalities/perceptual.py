"""Recognises pictures and volumes that show the same thing, whatever their file or brightness.

The hash follows the DCT hash of Zauner, "Implementation and Benchmarking of Perceptual Image Hash
Functions" (2010), for any number of axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.fingerprint import CODE_BITS, Fingerprint, code_keys, code_of
from workbench.modality import Sample

Reals = NDArray[np.float64]

CORRELATED = 0.98
"""The least correlation of two pictures or volumes that count as near-copies."""


def perceptual(sample: Sample, pooled: Sequence[int]) -> Fingerprint:
    """Return the fingerprint of a picture or volume, channels (the first axis) averaged.

    Args:
        sample: data (C, *axes).
        pooled: blocks along each of the other axes.
    """
    code = code_of(_bits(_filled(sample).mean(axis=0), pooled))
    return Fingerprint(code_keys(code), code)


def correlation(a: Sample, b: Sample) -> float:
    """Return the correlation of two arrays where both were measured, 0 when flat or opposed."""
    if a.data.shape != b.data.shape:
        return 0.0
    both = _measured(a) & _measured(b)
    found = pearson(a.data[both].astype(np.float64), b.data[both].astype(np.float64))
    return max(found, 0.0)


def pearson(x: Reals, y: Reals) -> float:
    """Return Pearson's correlation of two vectors, 0 when one is flat or empty."""
    if not x.size:
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else 0.0


def _bits(values: Reals, pooled: Sequence[int]) -> NDArray[np.bool_]:
    """Return the 64 lowest frequencies of the pooled array, each against their median."""
    from scipy.fft import dctn

    for axis, count in enumerate(pooled):
        values = _pool(values, axis, min(count, values.shape[axis]))
    waves = dctn(values, norm="ortho")
    order = np.argsort(np.indices(waves.shape).sum(axis=0).ravel(), kind="stable")
    low = waves.ravel()[order[1 : CODE_BITS + 1]]
    low = np.pad(low, (0, CODE_BITS - len(low)))
    return np.asarray(low > np.median(low))


def _pool(values: Reals, axis: int, count: int) -> Reals:
    """Average an axis down to `count` blocks of nearly equal size."""
    edges = np.linspace(0, values.shape[axis], count + 1).round().astype(np.int64)
    sums = np.add.reduceat(values, edges[:-1], axis=axis)
    shape = [1] * values.ndim
    shape[axis] = count
    return np.asarray(sums / np.diff(edges).reshape(shape))


def _filled(sample: Sample) -> Reals:
    """Return the data with the mean of what was measured where nothing was."""
    values, measured = sample.data.astype(np.float64), _measured(sample)
    if not measured.all():
        values[~measured] = values[measured].mean() if measured.any() else 0.0
    return values


def _measured(sample: Sample) -> NDArray[Any]:
    finite = np.isfinite(sample.data)
    return finite if sample.valid is None else finite & sample.valid
