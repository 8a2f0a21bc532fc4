from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

H = {"x": 24, "z": 20, "hdr": 512, "slo": 8}


def vol_bytes(frames: np.ndarray, **change: object) -> bytes:
    """Write the .vol layout by hand; `change` sets fields to other values."""
    n, z, x = frames.shape
    fields = {
        "magic": b"HSF-OCT-103\0", "x": x, "n": n, "z": z, "sx": 0.0118, "d": 0.12, "sz": 0.0039,
        "eye": b"OD\0\0", "pattern": 3, "hdr": H["hdr"], "starts": None, "quality": 30.0,
    } | change  # fmt: skip
    head = struct.pack(
        "<12s3I3d2I2dId4sQiI", fields["magic"], fields["x"], fields["n"], fields["z"],
        fields["sx"], fields["d"], fields["sz"], H["slo"], H["slo"], 0.01, 0.01, 30, 0.0,
        fields["eye"], 0, fields["pattern"], fields["hdr"],
    )  # fmt: skip
    out = head.ljust(2048, b"\0") + bytes(H["slo"] ** 2)
    starts = fields["starts"] or [5.0 - 0.1 * k for k in range(n)]
    for k in range(n):
        block = struct.pack(
            "<12sI4d2If", b"HSF-BS-103\0", H["hdr"], 0.0, starts[k], 1.0, starts[k], 0, 256,
            fields["quality"],
        )  # fmt: skip
        out += block.ljust(H["hdr"], b"\0") + frames[k].astype("<f4").tobytes()
    return out


@pytest.fixture
def raw() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.random((6, 20, 24)) * 0.01 + 0.02 * np.arange(6)[:, None, None]).astype("<f4")


def test_magic_that_is_not_heidelbergs_is_refused(tmp_path: Path, raw, quarantined) -> None:
    (tmp_path / "a.vol").write_bytes(vol_bytes(raw, magic=b"XXX-OCT-103\0"))
    quarantined(tmp_path / "a.vol", "E-OCT-001")


def test_cuts_say_where_and_how_many_bscans_are_whole(tmp_path: Path, raw, quarantined) -> None:
    data = vol_bytes(raw)
    for cut, words in ((100, "file header"), (2060, "SLO"), (len(data) - 5000, "complete: 3 of 6")):
        (tmp_path / "a.vol").write_bytes(data[:cut])
        error = quarantined(tmp_path / "a.vol", "E-OCT-002")
        assert words in str(error)


def test_partial_keep_uses_whole_bscans_and_flags(tmp_path: Path, raw, read) -> None:
    data = vol_bytes(raw)
    (tmp_path / "a.vol").write_bytes(data[:-5000])
    sample = read(tmp_path / "a.vol", partial="keep")
    assert "F-OCT-002 3-of-6-bscans" in sample.flags
    assert sample.meta["source_frames"] == 3


def test_four_billion_bscans_are_refused_before_allocation(
    tmp_path: Path, raw, quarantined
) -> None:
    (tmp_path / "a.vol").write_bytes(vol_bytes(raw, n=4_000_000_000))
    assert "4000000000" in str(quarantined(tmp_path / "a.vol", "E-OCT-003"))
    (tmp_path / "b.vol").write_bytes(vol_bytes(raw, x=2_000_000_000))
    quarantined(tmp_path / "b.vol", "E-OCT-003")
    (tmp_path / "c.vol").write_bytes(vol_bytes(raw, hdr=17))
    quarantined(tmp_path / "c.vol", "E-OCT-004")


def test_trailing_bytes_are_flagged(tmp_path: Path, raw, read) -> None:
    (tmp_path / "a.vol").write_bytes(vol_bytes(raw) + bytes(132))
    assert read(tmp_path / "a.vol").flags == ("F-OCT-004 trailing-bytes",)


@pytest.mark.parametrize("value", [0.0, float("nan"), -1.0])
def test_spacing_that_means_nothing_is_flagged_and_never_one(
    tmp_path: Path, raw, read, quarantined, value: float
) -> None:
    (tmp_path / "a.vol").write_bytes(vol_bytes(raw, d=value))
    sample = read(tmp_path / "a.vol")
    assert "F-OCT-005 no-spacing" in sample.flags
    assert sample.meta["spacing_mm"] is None
    quarantined(tmp_path / "a.vol", "E-OCT-005", spacing="required")


@pytest.mark.parametrize("pattern", [2, 5])
def test_circle_and_star_scans_are_refused_unless_asked_for(
    tmp_path: Path, raw, read, quarantined, pattern: int
) -> None:
    (tmp_path / "a.vol").write_bytes(vol_bytes(raw, pattern=pattern))
    quarantined(tmp_path / "a.vol", "E-OCT-007")
    assert read(tmp_path / "a.vol", scans="any").data.shape == (1, 4, 16, 16)


def test_bscans_come_superior_first_and_disorder_is_flagged(tmp_path: Path, raw, read) -> None:
    (tmp_path / "a.vol").write_bytes(vol_bytes(raw))
    up = read(tmp_path / "a.vol")
    assert up.flags == ()
    means = up.data[0].mean(axis=(1, 2))
    assert (np.diff(means) < 0).all(), "the last stored B-scan starts highest"
    order = [0, 2, 1, 3, 4, 5]
    starts = [5.0 - 0.1 * k for k in range(6)]
    (tmp_path / "b.vol").write_bytes(vol_bytes(raw[order], starts=[starts[k] for k in order]))
    mixed = read(tmp_path / "b.vol")
    assert mixed.flags == ("F-OCT-010 reordered",)
    np.testing.assert_array_equal(mixed.data, up.data)


def test_two_bscans_in_one_place_are_refused(tmp_path: Path, raw, quarantined) -> None:
    (tmp_path / "a.vol").write_bytes(vol_bytes(raw, starts=[1.0, 1.1, 1.1, 1.2, 1.3, 1.4]))
    quarantined(tmp_path / "a.vol", "E-OCT-010")


def test_sentinels_are_masked_and_their_share_recorded(tmp_path: Path, raw, read) -> None:
    raw[:, :, :6] = 3.4028235e38
    (tmp_path / "a.vol").write_bytes(vol_bytes(raw))
    sample = read(tmp_path / "a.vol")
    assert "F-OCT-011 invalid-masked" in sample.flags
    assert sample.meta["invalid_share"] == pytest.approx(0.25)
    assert not sample.valid[..., 0].any()
    assert sample.valid[..., 8:].all()


def test_display_takes_the_fourth_root_once_and_linear_none(tmp_path: Path, read) -> None:
    flat = np.full((6, 20, 24), 0.0625, dtype="<f4")
    (tmp_path / "a.vol").write_bytes(vol_bytes(flat))
    np.testing.assert_allclose(read(tmp_path / "a.vol").data, 0.5, atol=1e-6)
    np.testing.assert_allclose(read(tmp_path / "a.vol", intensity="linear").data, 0.0625, atol=1e-6)


def test_facts_of_the_header_reach_the_sample(tmp_path: Path, raw, read) -> None:
    (tmp_path / "scan_OS.vol").write_bytes(vol_bytes(raw, quality=9.0))
    sample = read(tmp_path / "scan_OS.vol")
    assert sample.meta["laterality"] == "R"
    assert sample.meta["quality_db"] == pytest.approx(9.0)
    assert sample.meta["spacing_mm"] == pytest.approx(
        (0.12 * 6 / 4, 0.0039 * 20 / 16, 0.0118 * 1.5)
    )
    assert set(sample.flags) == {"F-OCT-008 laterality-conflict", "F-OCT-013 low-quality"}


def test_real_line_scan_equals_eyepy(sample_data, read) -> None:
    eyepy = pytest.importorskip("eyepy")
    from modalities.oct.formats.heidelberg_vol import read_vol
    from modalities.oct.options import OctOptions

    path = sample_data("oct/heidelberg-vol/Linescan_1.vol")
    volume = read_vol(path, "Linescan_1.vol", OctOptions())
    theirs = eyepy.import_heyex_vol(path)
    ours = np.where(volume.frames > 1e30, 0, volume.frames)
    raw = np.asarray(theirs._raw_data)
    np.testing.assert_allclose(ours, np.where(raw > 1e30, 0, raw), atol=1e-6)
    assert volume.flags == ("F-OCT-004 trailing-bytes",)
    assert volume.laterality == "R"


def test_real_circle_scan_is_refused_and_read_on_request(sample_data, read, quarantined) -> None:
    path = sample_data("oct/heidelberg-vol/Peripapillary_1.vol")
    quarantined(path, "E-OCT-007")
    assert read(path, scans="any").meta["scan_pattern"] == "circle"


def test_dummy_file_written_by_eyepy_is_parsed_but_its_values_are_no_reflectivity(
    sample_data, quarantined
) -> None:
    quarantined(sample_data("oct/heidelberg-eyepy/heyex_vol/test_volume.vol"), "E-OCT-014")
