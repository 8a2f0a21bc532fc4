"""What a recording's own numbers give away, on signals made for the purpose."""

from __future__ import annotations

import numpy as np
import pytest

from modalities.ecg.checks import lead_flags, rate_flags

ALL = np.ones(12, bool)


def beating(per_minute: float, rate_hz: float = 100.0, seconds: float = 20.0) -> np.ndarray:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = (time_s * per_minute / 60.0) % 1.0 * 60.0 / per_minute
    wave = np.exp(-0.5 * ((phase - 0.06) / 0.015) ** 2)
    size = np.array([0.8, 1.2, 0.4, -1.0, 0.2, 0.8, -0.5, 0.3, 0.6, 0.9, 1.0, 0.8])
    return (size[:, None] * wave).astype(np.float32)


@pytest.mark.parametrize("per_minute", [5, 12, 360])
def test_a_heart_rate_that_no_heart_has_is_flagged(per_minute):
    assert rate_flags(beating(per_minute), 100.0) == ("F-ECG-012 heart-rate",)


@pytest.mark.parametrize("per_minute", [30, 60, 72, 150, 220])
def test_a_heart_rate_that_a_heart_has_is_not_flagged(per_minute):
    assert rate_flags(beating(per_minute), 100.0) == ()


def test_too_short_a_window_is_not_judged():
    assert rate_flags(beating(12, seconds=4), 100.0) == ()


def test_a_consistent_recording_has_no_flag():
    assert lead_flags(beating(70), ALL) == ()


def test_leads_that_contradict_each_other_are_flagged_even_beside_an_offset():
    values = beating(70) + np.arange(12, dtype=np.float32)[:, None]
    assert lead_flags(values, ALL) == ()
    values[1] *= 0.5
    assert lead_flags(values, ALL) == ("F-ECG-015 einthoven",)


def test_exchanged_arm_electrodes_are_flagged():
    values = beating(70)
    values[[0, 1, 2, 3, 4]] = [-values[0], values[2], values[1], values[4], -values[3]]
    values[3] = -(values[0] + values[1]) / 2
    values[4] = values[0] - values[1] / 2
    values[5] = values[1] - values[0] / 2
    assert "F-ECG-016 limb-reversal" in lead_flags(values, ALL)


@pytest.mark.parametrize("factor", [1000.0, 0.01])
def test_an_amplitude_no_electrode_gives_is_flagged(factor):
    assert "F-ECG-011 amplitude" in lead_flags(beating(70) * np.float32(factor), ALL)


def test_leads_that_were_not_measured_are_not_judged():
    values = beating(70)
    values[1] = 0
    measured = ALL.copy()
    measured[1] = False
    assert lead_flags(values, measured) == ()
    assert lead_flags(values, np.zeros(12, bool)) == ()
