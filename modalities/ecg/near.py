"""Recognises copies of a recording that start a little later or were filtered, scaled, exported.

Legend: T samples per lead.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workbench.fingerprint import CODE_BITS, Fingerprint, code_keys, code_of
from workbench.modality import Sample
from workbench.seeding import keyed_rng

Reals = NDArray[np.float64]

CORRELATED = 0.99
"""The least correlation of two aligned recordings that count as near-copies."""
LEAST_OVERLAP = 0.5
"""The least share of the recording that must overlap after alignment."""

_SHAPE = 48


def fingerprint(sample: Sample) -> Fingerprint:
    """Return the fingerprint of a recording (12, T): what a shift in time leaves as it is.

    The signs of 64 random projections of how alike the leads are and how each repeats itself,
    against what recordings have on average within the fingerprint itself.
    """
    leads = _leads(sample)
    code = code_of(_projections(len(leads)) @ _traits(leads) > 0)
    return Fingerprint(code_keys(code), code)


def near(a: Sample, b: Sample) -> float:
    """Return the largest correlation of two recordings over all shifts that overlap by half."""
    x, y = _leads(a), _leads(b)
    if x.shape != y.shape:
        return 0.0
    length = x.shape[1]
    size = 2 * length
    product = np.fft.rfft(x, size) * np.conj(np.fft.rfft(y, size))
    found = np.fft.irfft(product.sum(axis=0), size)
    most = int(length * (1 - LEAST_OVERLAP))
    shifts = np.arange(-most, most + 1)
    raw = found[shifts % size] / np.sqrt(_energy(x, shifts) * _energy(y, -shifts) + 1e-12)
    return float(np.clip(raw.max(), 0.0, 1.0))


def _leads(sample: Sample) -> Reals:
    """Return the recording with every lead around 0, missing values as 0."""
    values = sample.data.astype(np.float64)
    known = np.isfinite(values)
    if sample.valid is not None:
        known &= sample.valid
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    values = np.where(known, values, 0.0)
    return np.asarray(np.where(known, values - values.sum(axis=1, keepdims=True) / count, 0.0))


def _energy(values: Reals, shifts: NDArray[np.int64]) -> Reals:
    """Return the energy of the part of `values` that overlaps a copy moved by each shift."""
    length = values.shape[1]
    running = np.concatenate([[0.0], np.cumsum((values**2).sum(axis=0))])
    start, end = np.maximum(shifts, 0), length + np.minimum(shifts, 0)
    return np.asarray(running[end] - running[start])


def _traits(leads: Reals) -> Reals:
    """Return lead correlations, and the shape of each lead's spectrum in 48 bands, scaled."""
    power = np.abs(np.fft.rfft(leads, axis=1))[:, 1 : 8 * _SHAPE + 1]
    power = np.pad(power, ((0, 0), (0, 8 * _SHAPE - power.shape[1])))
    bands = np.sqrt((power**2).reshape(len(leads), _SHAPE, 8).sum(axis=2))
    bands /= np.linalg.norm(bands, axis=1, keepdims=True) + 1e-12
    unit = leads / (np.linalg.norm(leads, axis=1, keepdims=True) + 1e-12)
    alike = (unit @ unit.T)[np.triu_indices(len(leads), 1)]
    return np.concatenate([alike / np.sqrt(len(leads)), bands.ravel()])


@lru_cache(maxsize=2)
def _projections(leads: int) -> Reals:
    """Return (64, traits) random differences: each compares some traits with as many others."""
    count = leads * (leads - 1) // 2 + leads * _SHAPE
    drawn = keyed_rng("ecg fingerprint", leads).standard_normal((CODE_BITS, count))
    return np.asarray(drawn - drawn.mean(axis=1, keepdims=True))
