"""Training views of an X-ray that keep its meaning: small moves, small changes of exposure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modalities.xray.options import Preset
from modalities.xray.prepare import bounds
from workbench.modality import Sample

SHIFT, SCALE, TURN_DEGREES = 0.06, 0.08, 5.0
BRIGHTNESS, CONTRAST = 0.10, 0.15


def augment(sample: Sample, rng: np.random.Generator, preset: Preset) -> Sample:
    """Return a view shifted by up to 6 %, scaled by 8 %, turned by 5 degrees, exposed differently.

    There is no flip: a mirrored chest has its heart on the wrong side, and "left" in the report
    would be wrong. What comes in from outside the film is black.

    Args:
        sample: data (C, H, W).
        rng: source of the draw.
        preset: contract whose range the view keeps to.
    """
    matrix, offset = _move(rng, sample.data.shape[1], sample.data.shape[2])
    black, white = bounds(preset)
    gain, lift = 1 + rng.uniform(-CONTRAST, CONTRAST), rng.uniform(-BRIGHTNESS, BRIGHTNESS)
    data = np.stack([
        _moved(channel, matrix, offset, fill=float(low), order=1)
        for channel, low in zip(sample.data, black[:, 0, 0], strict=True)
    ])  # fmt: skip
    middle, span = (black + white) / 2, white - black
    exposed = np.clip((data - middle) * gain + middle + lift * span, black, white)
    valid = sample.valid
    if valid is not None:
        flat = np.broadcast_to(valid, (1, *sample.data.shape[1:]))[0].astype(np.float32)
        valid = _moved(flat, matrix, offset, fill=0.0, order=0)[None] > 0.5
    return replace(sample, data=exposed.astype(np.float32), valid=valid)


def _move(rng: np.random.Generator, height: int, width: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Draw the matrix and offset that take output pixels to input pixels."""
    turn = np.deg2rad(rng.uniform(-TURN_DEGREES, TURN_DEGREES))
    scale = 1 + rng.uniform(-SCALE, SCALE)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / scale
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    shift = rng.uniform(-SHIFT, SHIFT, 2) * (height, width)
    return matrix, middle - matrix @ middle + shift


def _moved(
    image: NDArray[Any], matrix: NDArray[Any], offset: NDArray[Any], *, fill: float, order: int
) -> NDArray[Any]:
    """Resample one plane."""
    from scipy.ndimage import affine_transform

    moved: NDArray[Any] = affine_transform(
        image, matrix, offset, order=order, mode="constant", cval=fill
    )
    return moved
