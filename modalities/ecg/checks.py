"""Looks for what a recording's own numbers give away: swapped leads, wrong units, dead leads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AMPLITUDE_LOW_MV, AMPLITUDE_HIGH_MV = 0.05, 10.0
_EINTHOVEN_SHARE, _EINTHOVEN_FLOOR_MV = 0.15, 0.02
_REVERSED = -0.5
_COUNTED_S, _SLOWEST, _FASTEST = 5.0, 18.0, 330.0


def rate_flags(values: NDArray[np.float32], rate_hz: float) -> tuple[str, ...]:
    """Return a flag when the heart rate is one no heart has: most often a wrong sampling rate.

    Beats are counted as bursts of the summed slope of all leads, at least 0.14 s apart, in windows of
    5 s or more.

    Args:
        values: (12, L) mV, 0 where not measured.
        rate_hz: samples per second of `values`.
    """
    seconds = values.shape[1] / rate_hz
    if seconds < _COUNTED_S:
        return ()
    slope = np.abs(np.diff(values, axis=1)).sum(axis=0)
    width = max(1, round(0.08 * rate_hz))
    total = np.cumsum(np.pad(slope, (width, 0)))
    burst = total[width:] - total[:-width]
    high = burst > 0.4 * np.partition(burst, int(0.97 * len(burst)))[int(0.97 * len(burst))]
    starts = np.flatnonzero(high[1:] & ~high[:-1])
    beats = 1 + int((np.diff(starts) > 0.14 * rate_hz).sum()) if len(starts) else 0
    per_minute = 60.0 * beats / seconds
    return () if _SLOWEST <= per_minute <= _FASTEST else ("F-ECG-012 heart-rate",)


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
    if _breaks_einthoven(values, size, measured):
        flags.append("F-ECG-015 einthoven")
    if _arms_swapped(centred, measured):
        flags.append("F-ECG-016 limb-reversal")
    index = int(0.99 * (values.shape[1] - 1))
    high = np.partition(np.abs(centred[measured]), index, axis=1)[:, index]
    if (high > AMPLITUDE_HIGH_MV).any() or (high < AMPLITUDE_LOW_MV).any():
        flags.append("F-ECG-011 amplitude")
    return tuple(flags)


def _breaks_einthoven(
    values: NDArray[np.float32], size: NDArray[np.float32], measured: NDArray[np.bool_]
) -> bool:
    """Whether II differs from I + III, or aVR + aVL + aVF from 0, beyond offsets and rounding."""
    sums = []
    if measured[:3].all():
        sums.append((values[0] + values[2] - values[1], size[:3].mean()))
    if measured[3:6].all():
        sums.append((values[3] + values[4] + values[5], size[3:6].mean()))
    return any(
        float(np.abs(rest - rest.mean()).mean())
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
