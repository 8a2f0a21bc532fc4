"""Copies of a recording: later, louder or noisier ones are found, other people's are not."""

from dataclasses import replace

import numpy as np
import pytest

from modalities.ecg import ECG
from modalities.ecg.near import CORRELATED, fingerprint, near
from workbench.fingerprint import NEAR_BITS
from workbench.modality import Sample, Source
from workbench.seeding import keyed_rng


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Twelve invented people."""
    options, found = ECG.options(), []
    for n in range(12):
        folder = tmp_path_factory.mktemp(f"p{n}")
        cell = ECG.synthesize(ECG.findings[n % 4].name, keyed_rng("near", n), folder)
        found.append(ECG.read(Source(cell, folder), options))
    return found


def later(sample, steps):
    """The same heart, recorded from `steps` samples earlier; what lies before is missing."""
    data, valid = np.zeros_like(sample.data), np.zeros(sample.data.shape, bool)
    data[:, steps:], valid[:, steps:] = sample.data[:, :-steps], True
    return replace(sample, data=data, valid=valid)


def apart(a, b):
    return (fingerprint(a).code ^ fingerprint(b).code).bit_count()


def test_a_silent_recording_is_like_nothing(records):
    silent = Sample(np.zeros_like(records[0].data))
    assert near(silent, records[0]) == 0


def test_another_length_is_like_nothing(records):
    assert near(records[0], replace(records[0], data=records[0].data[:, :500], valid=None)) == 0


def test_other_people_are_not_near(records):
    pairs = [(a, b) for i, a in enumerate(records) for b in records[:i]]
    assert max(near(a, b) for a, b in pairs) < CORRELATED


@pytest.mark.parametrize("steps", [1, 13, 80])
def test_a_shifted_copy_is_aligned(records, steps):
    for record in records:
        assert near(record, later(record, steps)) >= CORRELATED
        assert near(later(record, steps), record) >= CORRELATED
    found = [apart(record, later(record, steps)) <= NEAR_BITS for record in records]
    assert sum(found) >= len(records) - 1


def test_gain_and_a_little_noise_leave_a_copy_a_copy(records):
    rng = np.random.default_rng(0)
    for record in records:
        spread = float(np.nanstd(record.data))
        noise = rng.normal(0, 0.05 * spread, record.data.shape)
        copy = replace(record, data=(1.7 * record.data + noise).astype(np.float32))
        assert near(record, copy) >= CORRELATED
        assert apart(record, copy) <= NEAR_BITS


def test_the_correlation_of_a_hand_made_shift():
    wave = np.zeros((2, 100), np.float32)
    wave[:, 40:50] = [[1.0], [2.0]]
    moved = np.roll(wave, 7, axis=1)
    assert near(Sample(wave), Sample(moved)) == pytest.approx(1, abs=0.02)
