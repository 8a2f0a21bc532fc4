"""Changes the size of a volume by a separable triangle filter that does not alias."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 32


def resize(volume: NDArray[Any], shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return a volume (D, H, W) resampled to `shape`, float32.

    Each axis is filtered on its own: a triangle of half-width max(1, old / new) input pixels,
    centred at (i + 0.5) * old / new - 0.5, weights summing to one. It is the filter of
    `torch.nn.functional.interpolate(mode="bilinear", antialias=True)`, in three dimensions.
    Axes that shrink most go first, because the order changes the cost and not the result.
    """
    order = sorted(range(3), key=lambda axis: shape[axis] / volume.shape[axis])
    out = volume
    for axis in order:
        out = _along(out, axis, shape[axis])
    return np.ascontiguousarray(out, dtype=np.float32)


def triangle_weights(old: int, new: int) -> NDArray[np.float32]:
    """Return the (new, old) matrix of the filter along one axis; rows sum to one."""
    step = old / new
    reach = max(step, 1.0)
    centre = (np.arange(new) + 0.5) * step
    distance = np.abs((np.arange(old) + 0.5)[None, :] - centre[:, None]) / reach
    weight = np.maximum(0.0, 1.0 - distance)
    matrix: NDArray[np.float32] = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
    return matrix


def _along(volume: NDArray[Any], axis: int, new: int) -> NDArray[Any]:
    """Resample one axis; bands of the weight matrix are multiplied block by block."""
    old = volume.shape[axis]
    if old == new:
        return volume
    shape = list(volume.shape)
    shape[axis] = new
    out = np.empty(shape, dtype=np.float32)
    for start, stop, low, high, weight in _bands(old, new):
        part = _slice(volume, axis, low, high).astype(np.float32, copy=False)
        _slice(out, axis, start, stop)[...] = _multiply(weight, part, axis)
    return out


def _multiply(
    weight: NDArray[np.float32], part: NDArray[np.float32], axis: int
) -> NDArray[np.float32]:
    """Apply (new, old) weights to one axis of (D, H, W)."""
    product: NDArray[np.float32]
    if axis == 2:
        product = part @ weight.T
    elif axis == 1:
        product = weight @ part
    else:
        product = np.tensordot(weight, part, axes=(1, 0)).astype(np.float32, copy=False)
    return product


def _slice(volume: NDArray[Any], axis: int, start: int, stop: int) -> NDArray[Any]:
    """Return a view of part of one axis."""
    index = [slice(None)] * 3
    index[axis] = slice(start, stop)
    return volume[tuple(index)]


@lru_cache(maxsize=64)
def _bands(old: int, new: int) -> tuple[tuple[int, int, int, int, NDArray[np.float32]], ...]:
    """Cut the weight matrix into blocks of rows, each with the columns that are not zero."""
    weights = triangle_weights(old, new)
    bands = []
    for start in range(0, new, BLOCK):
        stop = min(start + BLOCK, new)
        columns = np.flatnonzero(weights[start:stop].any(axis=0))
        low, high = int(columns[0]), int(columns[-1]) + 1
        bands.append((start, stop, low, high, np.ascontiguousarray(weights[start:stop, low:high])))
    return tuple(bands)
