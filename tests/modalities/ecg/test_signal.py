"""Resampling, window, baseline and scaling against known answers."""

from __future__ import annotations

import numpy as np
import pytest

from modalities.ecg.options import ECGOptions
from modalities.ecg.signal import normalise, remove_baseline, resample_window


def tone(frequency_hz: float, rate_hz: float, seconds: float = 12.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate_hz)) / rate_hz)[None]


@pytest.mark.parametrize("rate_hz", [100.0, 125.0, 250.0, 257.0, 360.0, 500.0, 1000.0])
def test_a_tone_keeps_its_phase_and_size(rate_hz):
    out, measured = resample_window(tone(5, rate_hz), rate_hz, ECGOptions())
    assert measured.all()
    np.testing.assert_allclose(out[0, 50:-50], tone(5, 100)[0, 50:950], atol=5e-3)


def test_what_100_hz_cannot_carry_is_filtered_out_not_folded():
    out, _ = resample_window(tone(70, 500), 500.0, ECGOptions())
    assert np.abs(out[0, 10:-10]).max() < 0.02


def test_a_window_is_the_same_wherever_the_recording_ends():
    signal = np.random.default_rng(1).normal(size=(1, 20_000)).cumsum(axis=1)
    options = ECGOptions(start_s=7.3, seconds=4)
    whole, _ = resample_window(signal, 500.0, options)
    every, _ = resample_window(signal, 500.0, ECGOptions(seconds=40))
    np.testing.assert_allclose(whole, every[:, 730:1130], atol=1e-3 * np.abs(every).max())


def test_a_short_recording_is_padded_and_masked():
    out, measured = resample_window(tone(5, 100, 3.0), 100.0, ECGOptions())
    assert out.shape == measured.shape == (1, 1000)
    assert measured[0, :300].all()
    assert not measured[0, 300:].any()
    assert (out[0, 300:] == 0).all()


def test_a_gap_does_not_spread_and_is_masked():
    signal = tone(1, 500)
    signal[0, 2000:2500] = np.nan
    out, measured = resample_window(signal, 500.0, ECGOptions())
    assert np.isfinite(out).all()
    assert measured[0, :399].all()
    assert not measured[0, 401:499].any()
    assert (out[~measured] == 0).all()


def test_baseline_removal_takes_the_wander_and_leaves_the_spikes():
    time_s = np.arange(1000) / 100
    spikes = np.zeros(1000)
    spikes[50::100] = 1.0
    wander = 0.5 * np.sin(2 * np.pi * 0.2 * time_s)
    out = remove_baseline((spikes + wander)[None].astype(np.float32), 100)
    np.testing.assert_allclose(out[0, 100:900], spikes[100:900], atol=0.12)


def test_normalisations_have_their_defining_property():
    rng = np.random.default_rng(2)
    values = rng.normal(3, 2, (12, 500)).astype(np.float32)
    valid = np.ones(values.shape, bool)
    valid[3] = False
    valid[:, 400:] = False
    values = np.where(valid, values, 0).astype(np.float32)

    def done(kind, **more):
        return normalise(values, valid, ECGOptions(normalise=kind, **more))

    leads = [row for row in range(12) if row != 3]
    lead = done("lead_minmax")
    assert lead[leads].min(axis=1) == pytest.approx(-1)
    assert lead[leads, :400].max(axis=1) == pytest.approx(1)
    record = done("record_minmax")
    assert (record.min(), record.max()) == (0, pytest.approx(1))
    for z in (done("record_zscore"), done("lead_zscore")):
        assert z[valid].mean() == pytest.approx(0, abs=1e-4)
        assert z[valid].std() == pytest.approx(1, abs=1e-3)
    fitted = done("global_zscore", mean_mv=3.0, std_mv=2.0)
    np.testing.assert_allclose(fitted[valid], (values[valid] - 3) / 2, rtol=1e-5)
    for out in (lead, record, fitted):
        assert (out[~valid] == 0).all()
    np.testing.assert_array_equal(done("none"), values)
