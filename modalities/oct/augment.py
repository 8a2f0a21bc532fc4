"""Makes training views of a volume that keep its meaning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from workbench.modality import Sample

SHIFT = 0.06


def augment(sample: Sample, rng: np.random.Generator) -> Sample:
    """Return a view with other gain, contrast and noise, moved a little.

    Gain 0.75-1.25, offset +-0.05, gamma 0.8-1.25, noise of deviation up to 0.03; depth and width
    shifted by up to 6 % of their length, edges repeated; B-scans in reverse order half the time
    (the slow axis runs up or down by device, and no word of a report depends on it). The fast axis
    is never mirrored: that would turn a right eye into a left one.
    """
    data = sample.data
    valid = sample.valid
    if rng.random() < 0.5 and _reversible(sample):
        data = data[:, ::-1]
        valid = valid[:, ::-1] if valid is not None and valid.shape[1] > 1 else valid
    for axis in (2, 3):
        reach = int(SHIFT * data.shape[axis])
        step = int(rng.integers(-reach, reach + 1))
        data = _shift(data, axis, step)
        if valid is not None and valid.shape[axis] > 1:
            valid = _shift(valid, axis, step)
    light = np.power(data, np.float32(rng.uniform(0.8, 1.25)))
    light = light * np.float32(rng.uniform(0.75, 1.25)) + np.float32(rng.uniform(-0.05, 0.05))
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    light += noise * np.float32(rng.uniform(0.0, 0.03))
    np.clip(light, 0.0, 1.0, out=light)
    return replace(sample, data=light, valid=None if valid is None else np.ascontiguousarray(valid))


def _reversible(sample: Sample) -> bool:
    """Tell whether all B-scans are real; repeats at the end must stay at the end."""
    valid = sample.valid
    return valid is None or bool(valid.any(axis=(0, 2, 3)).all())


def _shift(array: np.ndarray, axis: int, step: int) -> np.ndarray:
    """Move along one axis, repeating the edge."""
    place = np.clip(np.arange(array.shape[axis]) - step, 0, array.shape[axis] - 1)
    return np.take(array, place, axis=axis)
