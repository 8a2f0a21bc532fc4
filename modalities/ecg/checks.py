"""Looks for what a recording's own numbers give away: swapped leads, wrong units, dead leads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AMPLITUDE_LOW_MV, AMPLITUDE_HIGH_MV = 0.05, 10.0
_EINTHOVEN_SHARE, _EINTHOVEN_FLOOR_MV = 0.15, 0.02
_REVERSED = -0.5


def lead_flags(values: NDArray[np.float32], measured: NDArray[np.bool_]) -> tuple[str, ...]:
    """Return flags about lead signs, units and quality.

    Args:
        values: (12, L) mV in the order of `leads.LEADS`, 0 where not measured.
        measured: (12,) leads that the file holds with any variation (not derived, not flat).
    """
    if not measured.any():
        return ()
    flags = []
    centred = values - np.median(values, axis=1, keepdims=True)
    size = np.abs(centred).mean(axis=1)
    if _breaks_einthoven(centred, size, measured):
        flags.append("F-ECG-015 einthoven")
    if _arms_swapped(centred, measured):
        flags.append("F-ECG-016 limb-reversal")
    index = int(0.99 * (values.shape[1] - 1))
    high = np.partition(np.abs(centred[measured]), index, axis=1)[:, index]
    if (high > AMPLITUDE_HIGH_MV).any() or (high < AMPLITUDE_LOW_MV).any():
        flags.append("F-ECG-011 amplitude")
    return tuple(flags)


def _breaks_einthoven(
    centred: NDArray[np.float32], size: NDArray[np.float32], measured: NDArray[np.bool_]
) -> bool:
    """Whether II differs from I + III, or aVR + aVL + aVF from 0, beyond rounding and filtering."""
    sums = []
    if measured[:3].all():
        sums.append((centred[0] + centred[2] - centred[1], size[:3].mean()))
    if measured[3:6].all():
        sums.append((centred[3] + centred[4] + centred[5], size[3:6].mean()))
    return any(
        float(np.abs(rest - np.median(rest)).mean())
        > max(_EINTHOVEN_FLOOR_MV, _EINTHOVEN_SHARE * float(scale))
        for rest, scale in sums
    )


def _arms_swapped(centred: NDArray[np.float32], measured: NDArray[np.bool_]) -> bool:
    """Whether I runs against V6 while aVR points up: the arm electrodes were exchanged."""
    if not (measured[0] and measured[3] and measured[11]):
        return False
    one, right, six = centred[0], centred[3], centred[11]
    spread = float(np.sqrt((one * one).mean() * (six * six).mean()))
    if spread <= 0:
        return False
    upright = float(right.max()) > -float(right.min())
    return upright and float((one * six).mean()) / spread < _REVERSED
