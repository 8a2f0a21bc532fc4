from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import savemat


def bscans(frames) -> dict[str, object]:
    values = {f"B{k}": (frame / 255).astype(np.float32) for k, frame in enumerate(frames)}
    return values | {"ScaleX": 0.011, "ScaleZ": 0.004, "Distance": 0.12, "ScanPosition": "OS"}


def test_files_without_bscans_or_cut_are_refused(tmp_path: Path, frames, quarantined) -> None:
    savemat(tmp_path / "a.mat", {"lines": np.zeros((9, 10)), "name": "x"})
    quarantined(tmp_path / "a.mat", "E-OCT-103")
    savemat(tmp_path / "b.mat", bscans(frames))
    (tmp_path / "b.mat").write_bytes((tmp_path / "b.mat").read_bytes()[:3000])
    quarantined(tmp_path / "b.mat", "E-OCT-002")
    savemat(tmp_path / "c.mat", {"volume": np.zeros((600, 512, 4), np.uint8)}, do_compression=True)
    quarantined(tmp_path / "c.mat", "E-OCT-003", limit_mb=1)


def test_bscans_come_in_the_order_of_their_numbers(tmp_path: Path, frames, read) -> None:
    many = np.concatenate([frames, frames + 1])
    savemat(tmp_path / "a.mat", bscans(many))
    sample = read(tmp_path / "a.mat", size=(12, 20, 24), intensity="linear")
    np.testing.assert_allclose(sample.data[0], many / 255, atol=1e-6)
    assert sample.meta["laterality"] == "L"
    assert sample.meta["spacing_mm"][0] == 0.12


def test_a_volume_variable_is_height_width_frames(tmp_path: Path, frames, read) -> None:
    savemat(tmp_path / "a.mat", {"images": frames.transpose(1, 2, 0)})
    np.save(tmp_path / "b.npy", frames)
    np.testing.assert_array_equal(read(tmp_path / "a.mat").data, read(tmp_path / "b.npy").data)


def test_real_circle_scan(sample_data, read, quarantined) -> None:
    path = sample_data("oct/heidelberg-circular-mat/circularScan.mat")
    quarantined(path, "E-OCT-007")
    assert read(path, scans="any").meta["source_shape"] == (1, 496, 768)
    quarantined(
        sample_data("oct/heidelberg-circular-mat/circularScan_0_coordinates.mat"), "E-OCT-103"
    )
