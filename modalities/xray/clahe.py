"""Contrast-limited adaptive histogram equalisation of one grey image.

The method of K. Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV
(1994), with the constants of scikit-image's `equalize_adapthist`: 14-bit grey, 256 bins, tiles of
an eighth of each side, clip limit 0.01.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEVELS = 1 << 14
_BINS = 256
_CLIP = 0.01

Grey = NDArray[np.float32]
Ints = NDArray[np.int64]


def equalise(grey: Grey) -> Grey:
    """Return (H, W) in 0..1 with local contrast equalised; a constant image stays constant.

    Args:
        grey: (H, W) in 0..1, at least 8 x 8.
    """
    # the reference goes through 16 bits first, which decides the bin of pixels near an edge
    deep = np.rint(grey * np.float32(65535)).astype(np.float64)
    low, high = float(deep.min()), float(deep.max())
    if high <= low:
        return grey.copy()
    levels = np.rint((deep - low) / (high - low) * (_LEVELS - 1))
    tile = (max(grey.shape[0] // 8, 1), max(grey.shape[1] // 8, 1))
    ends = [(k // 2, (k - s % k) % k + -(-k // 2)) for s, k in zip(grey.shape, tile, strict=True)]
    bins = np.pad(levels.astype(np.int64), ends, mode="reflect") // (1 + _LEVELS // _BINS)
    result = _interpolate(bins, _maps(bins, tile), tile)
    inside = result[
        ends[0][0] : ends[0][0] + grey.shape[0], ends[1][0] : ends[1][0] + grey.shape[1]
    ]
    low, high = float(inside.min()), float(inside.max())
    return ((inside - low) / max(high - low, 1.0)).astype(np.float32)


def _maps(bins: Ints, tile: tuple[int, int]) -> Ints:
    """Return the grey map of every tile, with the outer ones repeated: (rows + 2, columns + 2, bins)."""
    rows, columns = (s // k - 1 for s, k in zip(bins.shape, tile, strict=True))
    top, left = tile[0] // 2, tile[1] // 2
    inner = bins[top : top + rows * tile[0], left : left + columns * tile[1]]
    split = inner.reshape(rows, tile[0], columns, tile[1])
    tiles = split.transpose(0, 2, 1, 3).reshape(rows * columns, -1)
    offsets = np.arange(len(tiles))[:, None] * _BINS
    counts = np.bincount((tiles + offsets).ravel(), minlength=len(tiles) * _BINS)
    clipped = _clip(counts.reshape(-1, _BINS), max(int(_CLIP * tiles.shape[1]), 1))
    maps = np.cumsum(clipped, axis=1) * ((_LEVELS - 1) / tiles.shape[1])
    grid = np.minimum(maps, _LEVELS - 1).astype(np.int64).reshape(rows, columns, _BINS)
    return np.pad(grid, ((1, 1), (1, 1), (0, 0)), mode="edge")


def _clip(counts: Ints, limit: int) -> Ints:
    """Cut histograms (N, bins) at the limit and spread what was cut over the bins below it."""
    excess = np.maximum(counts - limit, 0).sum(axis=1)
    counts = np.minimum(counts, limit)
    step = (excess // _BINS)[:, None]
    before = counts.sum(axis=1)
    counts = np.where(counts < limit - step, counts + step, counts)
    # as in the reference, whatever is within a step of the limit is filled up to it
    counts = np.where(counts >= limit - step, limit, counts)
    excess = excess - (counts.sum(axis=1) - before)
    for row in np.flatnonzero(excess > 0):
        counts[row] = _spread(counts[row], int(excess[row]), limit)
    return counts


def _spread(counts: Ints, excess: int, limit: int) -> Ints:
    """Give what is left to bins below the limit, in even strides, until none is left or all full."""
    counts = counts.copy()
    while excess > 0:
        before = excess
        for start in range(_BINS):
            stride = max(1, int(np.count_nonzero(counts < limit)) // excess)
            low = counts[start::stride] < limit
            counts[start::stride][low] += 1
            excess -= int(np.count_nonzero(low))
            if excess <= 0:
                return counts
        if excess == before:
            return counts
    return counts


def _interpolate(bins: Ints, maps: Ints, tile: tuple[int, int]) -> NDArray[np.float64]:
    """Blend the maps of the four nearest tiles at every pixel."""
    height, width = bins.shape
    rows, columns = np.arange(height), np.arange(width)
    down = ((rows % tile[0]) / tile[0])[:, None]
    right = ((columns % tile[1]) / tile[1])[None, :]
    result = np.zeros(bins.shape)
    for dr, row_weight in ((0, 1 - down), (1, down)):
        for dc, column_weight in ((0, 1 - right), (1, right)):
            tile_row = (rows // tile[0] + dr)[:, None]
            tile_column = (columns // tile[1] + dc)[None, :]
            result += maps[tile_row, tile_column, bins] * row_weight * column_weight
    return np.floor(result)
