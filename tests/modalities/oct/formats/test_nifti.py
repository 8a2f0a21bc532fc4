from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest


def save(path: Path, frames, *, codes: int = 1, unit: str = "mm", shape=None) -> Path:
    image = nibabel.Nifti1Image(frames.transpose(2, 1, 0), np.diag([0.011, 0.004, 0.12, 1]))
    image.header.set_xyzt_units(unit)
    image.set_qform(image.affine, code=codes)
    image.set_sform(image.affine, code=codes)
    nibabel.save(image, path)
    return path


def test_a_gzip_bomb_is_refused_at_the_limit(tmp_path: Path, frames, quarantined) -> None:
    plain = save(tmp_path / "a.nii", frames).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(plain + bytes(80 << 20)))
    quarantined(tmp_path / "b.nii.gz", "E-OCT-018")


def test_cut_files_are_refused(tmp_path: Path, frames, quarantined) -> None:
    data = save(tmp_path / "a.nii", frames).read_bytes()
    (tmp_path / "b.nii").write_bytes(data[:-200])
    quarantined(tmp_path / "b.nii", "E-OCT-002")
    (tmp_path / "c.nii.gz").write_bytes(gzip.compress(data)[:-30])
    quarantined(tmp_path / "c.nii.gz", "E-OCT-018")


def test_a_declared_size_past_the_limit_is_refused(tmp_path: Path, frames, quarantined) -> None:
    data = bytearray(save(tmp_path / "a.nii", frames).read_bytes())
    data[42:48] = np.array([30000, 30000, 30000], "<i2").tobytes()
    (tmp_path / "b.nii").write_bytes(bytes(data))
    quarantined(tmp_path / "b.nii", "E-OCT-003")


def test_no_orientation_and_no_unit_are_flagged(tmp_path: Path, frames, read) -> None:
    sample = read(save(tmp_path / "a.nii", frames, codes=0, unit="unknown"))
    assert "F-OCT-018 no-orientation" in sample.flags
    assert "F-OCT-005 no-spacing" in sample.flags


@pytest.mark.parametrize(
    ("name", "unit", "factor"), [("a.nii", "mm", 1), ("a.nii.gz", "micron", 1e-3)]
)
def test_axes_and_spacing(tmp_path: Path, frames, read, name: str, unit: str, factor: float):
    np.save(tmp_path / "b.npy", frames)
    sample = read(save(tmp_path / name, frames, unit=unit))
    np.testing.assert_array_equal(sample.data, read(tmp_path / "b.npy").data)
    spacing = np.array([0.12 * 6 / 4, 0.004 * 20 / 16, 0.011 * 1.5]) * factor
    assert sample.meta["spacing_mm"] == pytest.approx(tuple(spacing), rel=1e-5)
