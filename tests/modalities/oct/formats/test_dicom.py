from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from modalities.oct.formats.dicom_write import build, write_dicom
from workbench.errors import BadInput

SPACING = (0.12, 0.004, 0.011)


@pytest.fixture
def dataset(frames):
    return build(frames, SPACING, laterality="L", rng=np.random.default_rng(0))


def save(dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_an_image_of_another_kind_is_refused(tmp_path: Path, dataset, quarantined) -> None:
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    error = quarantined(save(dataset, tmp_path / "a.dcm"), "E-DCM-011")
    assert "CT Image Storage" in str(error)


def test_truncated_pixels_are_refused_with_both_sizes(tmp_path: Path, dataset, quarantined) -> None:
    dataset.PixelData = dataset.PixelData[:1000]
    error = quarantined(save(dataset, tmp_path / "a.dcm"), "E-DCM-001")
    assert "1000" in str(error)
    assert "2880" in str(error)


@pytest.mark.parametrize("frames_declared", [5000, 1_000_000])
def test_too_many_frames_are_refused_before_decoding(
    tmp_path: Path, dataset, quarantined, frames_declared: int
) -> None:
    dataset.NumberOfFrames = frames_declared
    quarantined(save(dataset, tmp_path / "a.dcm"), "E-OCT-003")


def test_more_pixels_than_the_limit_are_refused(tmp_path: Path, dataset, quarantined) -> None:
    dataset.Rows = dataset.Columns = 65535
    quarantined(save(dataset, tmp_path / "a.dcm"), "E-DCM-027")


def test_two_frames_in_one_place_are_refused(tmp_path: Path, dataset, quarantined) -> None:
    groups = dataset.PerFrameFunctionalGroupsSequence
    groups[2].FrameContentSequence[0].InStackPositionNumber = 2
    quarantined(save(dataset, tmp_path / "a.dcm"), "E-OCT-010")


def test_frames_out_of_order_are_put_in_order_and_flagged(tmp_path: Path, frames, read) -> None:
    rng = np.random.default_rng(0)
    write_dicom(tmp_path / "a.dcm", frames, SPACING, laterality="L", rng=rng)
    straight = read(tmp_path / "a.dcm")
    order = [3, 0, 1, 2, 5, 4]
    mixed = build(frames[order], SPACING, laterality="L", rng=rng)
    groups = list(mixed.PerFrameFunctionalGroupsSequence)
    mixed.PerFrameFunctionalGroupsSequence = [groups[k] for k in order]
    sample = read(save(mixed, tmp_path / "b.dcm"))
    assert straight.flags == ()
    assert sample.flags == ("F-OCT-010 reordered",)
    np.testing.assert_array_equal(sample.data, straight.data)


def test_spacing_and_eye_come_from_the_functional_groups(tmp_path: Path, dataset, read) -> None:
    sample = read(save(dataset, tmp_path / "a.dcm"))
    assert sample.meta["laterality"] == "L"
    expected = (0.12 * 6 / 4, 0.004 * 20 / 16, 0.011 * 24 / 16)
    assert sample.meta["spacing_mm"] == pytest.approx(expected)


def test_without_spacing_and_eye_there_are_flags(tmp_path: Path, dataset, read) -> None:
    shared = dataset.SharedFunctionalGroupsSequence[0]
    del shared.PixelMeasuresSequence
    del shared.FrameAnatomySequence
    del dataset.ImageLaterality
    sample = read(save(dataset, tmp_path / "a.dcm"))
    assert set(sample.flags) == {"F-OCT-005 no-spacing", "F-OCT-008 laterality-missing"}
    assert sample.meta["spacing_mm"] is None


def test_monochrome1_is_turned_round_once(tmp_path: Path, frames, dataset, read) -> None:
    straight = read(save(dataset, tmp_path / "a.dcm"))
    dataset.PhotometricInterpretation = "MONOCHROME1"
    turned = read(save(dataset, tmp_path / "b.dcm"))
    np.testing.assert_allclose(turned.data, 1 - straight.data, atol=1e-5)


def test_every_97th_cut_is_refused_and_never_raises_otherwise(
    tmp_path: Path, dataset, read
) -> None:
    data = save(dataset, tmp_path / "a.dcm").read_bytes()
    whole = read(tmp_path / "a.dcm").data
    for cut in range(1, len(data), 97):
        (tmp_path / "b.dcm").write_bytes(data[:cut])
        try:
            sample = read(tmp_path / "b.dcm")
        except BadInput:
            continue
        np.testing.assert_array_equal(sample.data, whole)


def test_identity_never_reaches_messages_or_meta(tmp_path: Path, dataset, read) -> None:
    dataset.PatientName, dataset.PatientID = "Canary^Jane", "MRN-4711"
    sample = read(save(dataset, tmp_path / "a.dcm"))
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    with pytest.raises(BadInput) as caught:
        read(save(dataset, tmp_path / "b.dcm"))
    text = f"{sample.meta} {sample.flags} {caught.value.fields()}"
    assert "Canary" not in text
    assert "4711" not in text


def test_written_files_hold_what_the_standard_asks_for(tmp_path: Path, frames) -> None:
    path = tmp_path / "a.dcm"
    write_dicom(path, frames, SPACING, laterality="R", rng=np.random.default_rng(3))
    found = dcmread(path)
    assert found.SOPClassUID.name == "Ophthalmic Tomography Image Storage"
    np.testing.assert_array_equal(found.pixel_array, frames)
