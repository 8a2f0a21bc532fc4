from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


def test_object_arrays_are_refused_without_unpickling(tmp_path: Path, quarantined) -> None:
    np.save(tmp_path / "a.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    quarantined(tmp_path / "a.npy", "E-OCT-002")


def test_a_header_that_lies_is_refused(tmp_path: Path, frames, quarantined) -> None:
    np.save(tmp_path / "a.npy", frames)
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "b.npy").write_bytes(data[:-100])
    quarantined(tmp_path / "b.npy", "E-OCT-002")
    (tmp_path / "c.npy").write_bytes(data.replace(b"(6, 20, 24), ", b"(9999999,20)," + b""))
    quarantined(tmp_path / "c.npy", "E-OCT-002")


def test_numbers_that_are_no_reflectivity_are_refused(tmp_path: Path, frames, quarantined):
    for values in (frames * 1.0, frames.astype(np.int32), frames / 255.0 - 0.5, frames > 100):
        np.save(tmp_path / "a.npy", values)
        quarantined(tmp_path / "a.npy", "E-OCT-014")
    np.save(tmp_path / "a.npy", frames[0, 0])
    quarantined(tmp_path / "a.npy", "E-OCT-014")


def test_too_large_is_refused_before_reading(tmp_path: Path, quarantined) -> None:
    np.save(tmp_path / "a.npy", np.zeros((600, 512, 4), np.uint8))
    quarantined(tmp_path / "a.npy", "E-OCT-003", limit_mb=1)


@pytest.mark.parametrize(("axes", "turn"), [("h w d", (1, 2, 0)), ("w h d", (2, 1, 0))])
def test_axes_are_taken_as_named(tmp_path: Path, frames, read, axes: str, turn) -> None:
    np.save(tmp_path / "a.npy", frames)
    np.save(tmp_path / "b.npy", frames.transpose(turn))
    one, two = read(tmp_path / "a.npy"), read(tmp_path / "b.npy", array_axes=axes)
    np.testing.assert_array_equal(one.data, two.data)


def test_8_bit_16_bit_and_float_of_one_cohort_agree(tmp_path: Path, frames, read) -> None:
    np.save(tmp_path / "a.npy", frames)
    np.save(tmp_path / "b.npy", frames.astype(np.uint16) * 257)
    np.save(tmp_path / "c.npy", (frames / 255).astype(">f4"))
    samples = [read(tmp_path / f"{n}.npy") for n in "abc"]
    for sample in samples[1:]:
        np.testing.assert_allclose(sample.data, samples[0].data, atol=1e-5)
    assert [s.meta["source_dtype"] for s in samples] == ["uint8", "uint16", "float32"]


def test_nan_is_masked(tmp_path: Path, frames, read) -> None:
    values = (frames / 255).astype(np.float32)
    values[2] = np.nan
    np.save(tmp_path / "a.npy", values)
    sample = read(tmp_path / "a.npy", size=(6, 20, 24))
    assert np.isfinite(sample.data).all()
    assert not sample.valid[0, 2].any()
    assert sample.meta["invalid_share"] == pytest.approx(1 / 6)
