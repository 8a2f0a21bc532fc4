"""Brings one signal matrix to the rate, length, baseline and scale that the options ask for.

Resampling is scipy's polyphase filter: a zero-phase Kaiser FIR (beta 5, half length 10 x the larger
factor) that cuts at the lower of the two Nyquist rates, with the line through the ends taken off first,
so that an offset does not ring at the edges.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modalities.ecg.options import ECGOptions

_MARGIN_S = 1.0


def resample_window(
    values: NDArray[Any], rate_hz: float, options: ECGOptions
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Cut the window asked for out of a recording, at the output rate.

    Args:
        values: (C, T) mV, NaN where nothing was measured.
        rate_hz: rate of `values`.
        options: output rate, start and length.

    Returns:
        (C, L) mV with NaN replaced by 0, and (C, L) bool, False where nothing was measured.
    """
    up, down = _ratio(options.rate_hz, rate_hz)
    start = round(options.start_s * options.rate_hz)
    margin = round(_MARGIN_S * options.rate_hz)
    first = max(0, start - margin) // up * up  # on the grid where output and input samples meet
    source = values[:, first // up * down :]
    source = source[:, : -(-(start - first + options.length + margin) * down // up)]
    filled, measured = _fill_gaps(source.astype(np.float32))
    wanted = slice(start - first, start - first + options.length)
    out = _resample(filled, up, down)[:, wanted]
    nearest = np.arange(out.shape[1] + wanted.start)[wanted] * down / up
    place = np.minimum(np.round(nearest).astype(np.int64), measured.shape[1] - 1)
    return _pad(out, measured[:, place], options.length)


def remove_baseline(values: NDArray[np.float32], rate_hz: float) -> NDArray[np.float32]:
    """Subtract the baseline found by a median filter of 0.2 s followed by one of 0.6 s.

    de Chazal et al. 2004, doi 10.1109/TBME.2004.827359; the widths are made odd (21, 61 at 100 Hz).
    """
    from scipy.ndimage import median_filter

    short, wide = (int(seconds * rate_hz) // 2 * 2 + 1 for seconds in (0.2, 0.6))
    baseline = median_filter(values, size=(1, short), mode="nearest")
    baseline = median_filter(baseline, size=(1, wide), mode="nearest")
    return np.asarray(values - baseline, np.float32)


def normalise(
    values: NDArray[np.float32], valid: NDArray[np.bool_], options: ECGOptions
) -> NDArray[np.float32]:
    """Scale (12, L) as the options say, from measured samples only; the rest stays 0."""
    if options.normalise == "none":
        return values
    if options.normalise == "global_zscore":
        scaled = (values - options.mean_mv) / options.std_mv
    else:
        axis = 1 if options.normalise.startswith("lead_") else None
        masked = np.ma.masked_array(values.astype(np.float64), ~valid)
        if options.normalise.endswith("minmax"):
            low = masked.min(axis=axis, keepdims=True)
            span = masked.max(axis=axis, keepdims=True) - low
            scaled = np.ma.filled((masked - low) / (span + 1e-10), 0.0)
            if options.normalise == "lead_minmax":
                scaled = 2.0 * scaled - 1.0
        else:
            spread = masked.std(axis=axis, keepdims=True) + 1e-8
            scaled = np.ma.filled((masked - masked.mean(axis=axis, keepdims=True)) / spread, 0.0)
    return np.where(valid, scaled, 0.0).astype(np.float32)


@lru_cache(maxsize=32)
def _ratio(rate_out: int, rate_in: float) -> tuple[int, int]:
    """Return (up, down) whose quotient is the ratio of the rates."""
    ratio = Fraction(rate_out) / Fraction(rate_in).limit_denominator(1000)
    ratio = ratio.limit_denominator(5000)
    return ratio.numerator, ratio.denominator


@lru_cache(maxsize=32)
def _taps(up: int, down: int) -> NDArray[np.float32]:
    """Design the filter that scipy's resample_poly would design on every call."""
    from scipy.signal import firwin

    larger = max(up, down)
    taps = firwin(2 * 10 * larger + 1, 1.0 / larger, window=("kaiser", 5.0))
    return np.asarray(taps, np.float32)


def _resample(values: NDArray[np.float32], up: int, down: int) -> NDArray[np.float32]:
    if up == down:
        return values
    from scipy.signal import resample_poly

    line = "line" if values.shape[1] > 1 else "constant"
    out = resample_poly(values, up, down, axis=1, window=_taps(up, down), padtype=line)
    return np.asarray(out, np.float32)


def _fill_gaps(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Bridge NaN by straight lines, so that the filter does not spread them; return what was real."""
    measured = np.isfinite(values)
    if measured.all():
        return values, measured
    values = values.copy()
    place = np.arange(values.shape[1])
    for row, real in enumerate(measured):
        if not real.any():
            values[row] = 0.0
        elif not real.all():
            values[row, ~real] = np.interp(place[~real], place[real], values[row, real])
    return values, measured


def _pad(
    values: NDArray[np.float32], measured: NDArray[np.bool_], length: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    short = length - values.shape[1]
    if short > 0:
        values = np.pad(values, ((0, 0), (0, short)))
        measured = np.pad(measured, ((0, 0), (0, short)))
    return np.where(measured, values, np.float32(0)), measured
