"""A simple heart for synthetic ECGs: Gaussian waves of a turning dipole, projected on twelve leads.

Vectors are (left, down, back) in mV. The eight independent leads are Dower's projection (Dower et al. 1980);
the other limb leads follow from I and II, so that Einthoven's law holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE_HZ, SECONDS = 500, 10
_DOWER = np.array(
    [
        [0.632, -0.235, 0.059], [0.235, 1.066, -0.132], [-0.515, 0.157, -0.917],
        [0.044, 0.164, -1.387], [0.882, 0.098, -1.277], [1.213, 0.127, -0.601],
        [1.125, 0.127, -0.086], [0.831, 0.076, 0.230],
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Wave:
    """A Gaussian bump of the heart vector: centre and width in seconds, vector in mV."""

    at_s: float
    width_s: float
    vector_mv: tuple[float, float, float]


def simulate(finding: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return twelve leads, (12, 5000) mV at 500 Hz, showing a finding under random nuisance.

    Random everywhere: rate, phase, respiratory variation, amplitude (0.55 to 1.8), electrical axis, wave
    widths and sizes, electrode offsets, baseline wander, mains hum, muscle noise, gain of each chest lead.
    """
    waves = _RHYTHMS[finding](rng)
    vector = _sum_of(waves) @ _axis(rng).T
    vector *= np.exp(rng.uniform(np.log(0.55), np.log(1.8)))
    if finding == "atrial fibrillation":
        vector += _fibrillation(rng)
    leads = vector @ _DOWER.T
    leads[:, 2:] *= rng.uniform(0.75, 1.3, 6)
    return _twelve(leads + _nuisance(rng))


def _sinus(rng: np.random.Generator) -> list[Wave]:
    waves: list[Wave] = []
    shape = _Shape(rng)
    for at_s, cycle_s in _regular(rng):
        waves += _p_wave(at_s, shape) + _narrow(at_s, shape) + _t_wave(at_s, cycle_s, shape)
    return waves


def _fibrillating(rng: np.random.Generator) -> list[Wave]:
    """Irregular cycles and no P wave; `_fibrillation` adds the f waves."""
    waves: list[Wave] = []
    shape = _Shape(rng)
    mean_s, spread = rng.uniform(0.5, 0.95), rng.uniform(0.24, 0.4)
    at_s = -rng.uniform(0, mean_s)
    while at_s < SECONDS + 1:
        cycle_s = max(0.33, mean_s * float(rng.lognormal(0, spread)))
        waves += _narrow(at_s, shape) + _t_wave(at_s, min(cycle_s, mean_s), shape)
        at_s += cycle_s
    return waves


def _infarction(rng: np.random.Generator) -> list[Wave]:
    """Sinus rhythm with an injury current held from the J point into the T wave.

    It points forward (anterior), down and right (inferior) or left (lateral): 0.18 to 0.5 mV.
    """
    waves: list[Wave] = []
    shape = _Shape(rng)
    territory = np.array([(0.4, 0.1, -1.0), (-0.25, 1.0, -0.1), (1.0, 0.1, 0.2)])[rng.integers(3)]
    injury = territory * rng.uniform(0.18, 0.5)
    for at_s, cycle_s in _regular(rng):
        stretch = np.sqrt(cycle_s)
        waves += _p_wave(at_s, shape) + _narrow(at_s, shape) + _t_wave(at_s, cycle_s, shape)
        waves += [_wave(at_s + when * stretch, 0.035, injury) for when in (0.075, 0.125, 0.18)]
        waves.append(_wave(at_s + 0.25 * stretch, 0.055, 0.9 * injury))
    return waves


def _bundle_branch(rng: np.random.Generator) -> list[Wave]:
    """Sinus rhythm with a wide notched QRS to the left and back, no septal wave, and opposite ST-T."""
    waves: list[Wave] = []
    shape = _Shape(rng)
    for at_s, cycle_s in _regular(rng):
        waves += _p_wave(at_s - 0.03, shape) + _wide(at_s, shape.left_bundle, shape.notch_s)
        waves.append(_wave(at_s + 0.29 * np.sqrt(cycle_s), 0.06, -0.35 * shape.left_bundle))
    return waves


def _premature(rng: np.random.Generator) -> list[Wave]:
    """Sinus rhythm in which every third to sixth beat is an early wide one, followed by a pause."""
    waves: list[Wave] = []
    shape = _Shape(rng)
    site = rng.normal(size=3)
    site *= rng.uniform(1.1, 2.0) / np.linalg.norm(site)
    beats = _regular(rng)
    turn = int(rng.integers(0, 3))
    for at_s, cycle_s in beats:
        turn -= 1
        if turn < 0:
            turn = int(rng.integers(3, 6))
            early_s = at_s - cycle_s * rng.uniform(0.2, 0.4)
            waves += _wide(early_s, site, shape.notch_s)
            waves.append(_wave(early_s + 0.3 * np.sqrt(cycle_s), 0.06, -0.4 * site))
        else:
            waves += _p_wave(at_s, shape) + _narrow(at_s, shape) + _t_wave(at_s, cycle_s, shape)
    return waves


_RHYTHMS: dict[str, Callable[[np.random.Generator], list[Wave]]] = {
    "sinus rhythm": _sinus,
    "atrial fibrillation": _fibrillating,
    "ST elevation myocardial infarction": _infarction,
    "left bundle branch block": _bundle_branch,
    "premature ventricular complexes": _premature,
}


class _Shape:
    """The wave sizes of one heart, drawn once."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.pr_s = rng.uniform(0.13, 0.19)
        self.p = np.array([0.6, 0.8, -0.1]) * rng.uniform(0.14, 0.24)
        self.q = np.array([-0.15, -0.05, -0.35]) * rng.uniform(0.3, 1.2)
        self.r = np.array([0.75, 0.75, 0.25]) * rng.uniform(0.8, 1.3)
        self.s = np.array([-0.2, -0.25, 0.45]) * rng.uniform(0.3, 1.3)
        self.t = np.array([0.7, 0.55, -0.45]) * rng.uniform(0.12, 0.4)
        self.left_bundle = np.array([0.9, 0.25, 0.8]) * rng.uniform(0.6, 1.0)
        self.notch_s = rng.uniform(0.024, 0.034)
        self.width = rng.uniform(0.85, 1.2)


def _wave(at_s: float, width_s: float, vector: NDArray[np.float64]) -> Wave:
    return Wave(at_s, width_s, (float(vector[0]), float(vector[1]), float(vector[2])))


def _p_wave(at_s: float, shape: _Shape) -> list[Wave]:
    return [_wave(at_s - shape.pr_s, 0.022, shape.p)]


def _narrow(at_s: float, shape: _Shape) -> list[Wave]:
    """QRS of about 90 ms: septum, free wall, base."""
    return [
        _wave(at_s - 0.024 * shape.width, 0.008 * shape.width, shape.q),
        _wave(at_s, 0.012 * shape.width, shape.r),
        _wave(at_s + 0.028 * shape.width, 0.010 * shape.width, shape.s),
    ]


def _wide(at_s: float, vector: NDArray[np.float64], notch_s: float) -> list[Wave]:
    """QRS of about 150 ms with two summits."""
    return [_wave(at_s - notch_s, 0.022, vector), _wave(at_s + notch_s, 0.026, 0.9 * vector)]


def _t_wave(at_s: float, cycle_s: float, shape: _Shape) -> list[Wave]:
    return [_wave(at_s + 0.29 * np.sqrt(cycle_s), 0.05, shape.t)]


def _regular(rng: np.random.Generator) -> list[tuple[float, float]]:
    """Return (time of R, cycle length) in seconds for 58 to 115 beats a minute that breathe by 2 to 6 %."""
    mean_s = 60.0 / rng.uniform(58, 115)
    breath, depth, phase = rng.uniform(0.2, 0.35), rng.uniform(0.02, 0.06), rng.uniform(0, 6.28)
    beats = []
    at_s = -rng.uniform(0, mean_s)
    while at_s < SECONDS + 1:
        cycle_s = mean_s * (1 + depth * np.sin(2 * np.pi * breath * at_s + phase))
        cycle_s *= 1 + float(rng.normal(0, 0.008))
        beats.append((at_s, cycle_s))
        at_s += cycle_s
    return beats


def _sum_of(waves: list[Wave]) -> NDArray[np.float64]:
    """Add the waves up into the heart vector over time, (5000, 3) mV."""
    time_s = np.arange(RATE_HZ * SECONDS) / RATE_HZ
    vector = np.zeros((len(time_s), 3))
    for wave in waves:
        low = max(0, int((wave.at_s - 5 * wave.width_s) * RATE_HZ))
        high = max(0, int((wave.at_s + 5 * wave.width_s) * RATE_HZ) + 1)
        distance = (time_s[low:high] - wave.at_s) / wave.width_s
        vector[low:high] += np.exp(-0.5 * distance[:, None] ** 2) * wave.vector_mv
    return vector


def _axis(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a rotation of the heart: about 25 degrees in the frontal and the horizontal plane."""
    front, level = np.radians(rng.normal(0, 25, 2))
    frontal = [[np.cos(front), -np.sin(front), 0], [np.sin(front), np.cos(front), 0], [0, 0, 1]]
    horizontal = [[np.cos(level), 0, -np.sin(level)], [0, 1, 0], [np.sin(level), 0, np.cos(level)]]
    return np.array(frontal) @ np.array(horizontal)


def _fibrillation(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return f waves: 4.5 to 8 Hz with drifting rate and size, strongest in V1."""
    time_s = np.arange(RATE_HZ * SECONDS) / RATE_HZ
    drift = np.sin(2 * np.pi * rng.uniform(0.1, 0.5) * time_s + rng.uniform(0, 6.28))
    phase = 2 * np.pi * rng.uniform(4.5, 8.0) * time_s + rng.uniform(0.5, 2.0) * drift
    size = rng.uniform(0.1, 0.2) * (1 + 0.4 * np.sin(2 * np.pi * 0.3 * time_s))
    return np.asarray((size * np.sin(phase))[:, None] * np.array([0.2, 0.7, -0.9]))


def _nuisance(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return (5000, 8) mV of electrode offsets, baseline wander, mains hum and muscle noise."""
    time_s = np.arange(RATE_HZ * SECONDS)[:, None] / RATE_HZ
    wander = np.zeros((len(time_s), 8)) + rng.normal(0, 0.09, 8)
    for _ in range(2):
        phase = 2 * np.pi * rng.uniform(0.08, 0.4) * time_s + rng.uniform(0, 6.28)
        wander += rng.normal(0, rng.uniform(0.04, 0.17), 8) * np.sin(phase)
    mains = 2 * np.pi * float(rng.choice([50, 60])) * time_s + rng.uniform(0, 6.28)
    hum = rng.uniform(0, 0.02) * rng.uniform(0.2, 1, 8) * np.sin(mains)
    return np.asarray(wander + hum + rng.normal(0, rng.uniform(0.005, 0.02), wander.shape))


def _twelve(eight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (12, T) in the standard order from I, II, V1 to V6."""
    one, two = eight[:, 0], eight[:, 1]
    limb = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.concatenate([np.stack(limb), eight[:, 2:].T])
