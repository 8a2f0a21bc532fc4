"""Brings a decoded picture to the size, contrast and statistics that an encoder expects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modalities.xray.clahe import equalise
from modalities.xray.options import Preset
from modalities.xray.picture import Grey


def prepare(grey: Grey, preset: Preset) -> tuple[Grey, NDArray[np.bool_] | None]:
    """Return (C, size, size) float32, and which pixels are picture and not padding.

    Args:
        grey: (H, W) in 0..1.
        preset: the contract in force.

    Returns:
        The array, and a mask (1, size, size) or None where all of it is picture.
    """
    square, valid = _squared(grey, preset)
    if preset.clahe:
        # the published chain stores the equalised image in 8 bits
        square = np.rint(equalise(square) * 255).astype(np.float32) / np.float32(255)
    mean = np.resize(np.array(preset.mean, np.float32), preset.channels)[:, None, None]
    std = np.resize(np.array(preset.std, np.float32), preset.channels)[:, None, None]
    return ((square[None] - mean) / std).astype(np.float32), valid


def bounds(preset: Preset) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return black and white after normalisation, each (C, 1, 1)."""
    mean = np.resize(np.array(preset.mean, np.float32), preset.channels)[:, None, None]
    std = np.resize(np.array(preset.std, np.float32), preset.channels)[:, None, None]
    return (0 - mean) / std, (1 - mean) / std


def _squared(grey: Grey, preset: Preset) -> tuple[Grey, NDArray[np.bool_] | None]:
    """Resize to a square by the preset's rule, antialiased."""
    size = preset.size
    height, width = grey.shape
    if preset.resize == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        grey = grey[top : top + side, left : left + side]
    if preset.resize != "letterbox" or height == width:
        return _resized(grey, size, size), None
    scale = size / max(height, width)
    inner = _resized(grey, max(1, round(height * scale)), max(1, round(width * scale)))
    top, left = (size - inner.shape[0]) // 2, (size - inner.shape[1]) // 2
    square = np.zeros((size, size), np.float32)
    valid = np.zeros((1, size, size), np.bool_)
    square[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    valid[0, top : top + inner.shape[0], left : left + inner.shape[1]] = True
    return square, valid


def _resized(grey: Grey, height: int, width: int) -> Grey:
    """Resize with a bilinear kernel that widens when shrinking, so that nothing aliases."""
    if grey.shape == (height, width):
        return grey
    image = Image.fromarray(np.ascontiguousarray(grey, np.float32), mode="F")
    resized = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return np.asarray(np.clip(resized, 0, 1), np.float32)
