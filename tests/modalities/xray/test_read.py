"""X-ray files of every format through the reader, hostile ones first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage

from modalities.xray import XRAY, XrayOptions
from workbench.errors import BadInput
from workbench.modality import Sample, Source
from workbench.seeding import keyed_rng

UNIT = XrayOptions(normalise="unit", size=16)


@pytest.fixture
def radiograph(tmp_path: Path) -> Path:
    name = XRAY.synthesize("normal chest", keyed_rng(5), tmp_path)
    return tmp_path / name


def edited(path: Path, **changes: object) -> Path:
    dataset = dcmread(path)
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path


def read(path: Path, options: XrayOptions = UNIT) -> Sample:
    return XRAY.read(Source(path.name, path.parent), options)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.png", b"", "E-MAN-007"),
        ("a.png", b"\x89PNG\r\n\x1a\n" + bytes(40), "E-DCM-102"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + bytes(40), "E-DCM-102"),
        ("a.tif", b"II*\0\xff\xff\xff\xff", "E-DCM-102"),
        ("a.dcm", b"GIF89a" + bytes(200), "E-DCM-104"),
        ("a.dcm", b"\x08\x00\x05\x00" + bytes(200), "E-DCM-009"),
    ],
)
def test_damaged_files(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=code):
        read(tmp_path / name)


def test_a_cut_png_is_refused_and_its_whole_twin_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(64 * 64, dtype=np.uint32).reshape(64, 64).astype(np.uint8)).save(path)
    assert read(path).flags == ()
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(BadInput, match="E-DCM-102"):
        read(path)


def test_a_picture_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("1", (20000, 20000)).save(path)
    with pytest.raises(BadInput, match=r"E-DCM-10[23]"):
        XRAY.peek(Source(path.name, tmp_path), UNIT)


def test_several_frames_need_a_choice(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pages = [Image.fromarray(np.full((16, 16), grey, np.uint8)) for grey in (10, 200)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    with pytest.raises(BadInput, match="E-DCM-022"):
        read(path)
    second = XrayOptions(normalise="unit", size=16, frame=1)
    assert np.allclose(read(path, second).data, 200 / 255)


@pytest.mark.parametrize(("modality", "code"), [("CT", "E-DCM-037"), ("ECG", "E-DCM-037")])
def test_another_modality_is_refused(radiograph: Path, modality: str, code: str) -> None:
    with pytest.raises(BadInput, match=code):
        read(edited(radiograph, Modality=modality))


def test_the_clean_twin_has_no_flag_but_inversion(radiograph: Path) -> None:
    assert set(read(radiograph).flags) <= {"F-DCM-012 monochrome1"}


def test_body_part_and_missing_modality_are_flagged(radiograph: Path) -> None:
    flags = read(edited(radiograph, BodyPartExamined="KNEE", Modality=None)).flags
    assert {"F-DCM-037 body-part", "F-DCM-037 no-modality"} <= set(flags)


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"BurnedInAnnotation": "YES"}, "F-DCM-034 burned-in-yes"),
        ({"BurnedInAnnotation": None}, "F-DCM-034 burned-in-not-stated"),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, "F-DCM-034 burned-in-secondary-capture"),
    ],
)
def test_burned_in_text_by_policy(radiograph: Path, changes: dict[str, str], flag: str) -> None:
    strict = XrayOptions(normalise="unit", size=16, phi="strict")
    off = XrayOptions(normalise="unit", size=16, phi="off")
    assert read(radiograph, strict).data.shape == (1, 16, 16)
    edited(radiograph, **changes)
    assert flag in read(radiograph).flags
    assert flag not in read(radiograph, off).flags
    with pytest.raises(BadInput, match="E-DCM-034"):
        read(radiograph, strict)


def test_meta_holds_facts_and_nobody(radiograph: Path) -> None:
    edited(radiograph, PatientName="Canary^Person", PatientID="C4N4RY")
    sample = read(radiograph)
    assert sample.meta["view"] == "PA"
    assert len(sample.meta["spacing_mm"]) == 2
    assert "anary" not in repr(sample.meta)
    assert "C4N4RY" not in repr(sample)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_every_eight_bit_mode_gives_the_same_grey(tmp_path: Path, mode: str) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    path = tmp_path / "wrong-suffix.jpg"
    Image.fromarray(grey).convert(mode).save(path, format="PNG")
    sample = read(path)
    assert np.allclose(sample.data[0], grey / 255, atol=1e-6)
    assert sample.flags == ()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_stretched_with_a_flag(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    deep = np.linspace(100, 4000, 256).reshape(16, 16).astype(np.uint16)
    Image.fromarray(deep).save(path)
    options = XrayOptions(normalise="unit", size=16, percentiles=(0, 100))
    sample = read(path, options)
    assert np.allclose(sample.data[0], (deep - 100) / 3900, atol=1e-3)
    assert sample.flags == ("F-DCM-014 percentile-window",)


def test_transparency_that_matters_is_flagged(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.full((16, 16, 4), 100, np.uint8), "RGBA").save(path)
    assert read(path).flags == ("F-DCM-105 transparency-dropped",)


def test_monochrome_twins_are_each_other_s_inverse(sample_data: Callable[[str], Path]) -> None:
    folder = sample_data("xray/torchxrayvision-tests")
    options = XrayOptions(normalise="unit")
    upright = read(folder / "1.2.276.0.7230010.3.1.4.8323329.6904.1517875201.850819.dcm", options)
    inverse = read(folder / "Fake_MONOHR1.dcm", options)
    assert np.allclose(upright.data, 1 - inverse.data, atol=1e-5)
    assert "F-DCM-012 monochrome1" in inverse.flags
    assert "F-DCM-012 monochrome1" not in upright.flags


@pytest.mark.parametrize(
    ("name", "rows"), [("gdcm-CR-MONO1-10-chest.dcm", 440), ("RG1_J2KI.dcm", 1955)]
)
def test_real_monochrome1_radiographs(
    sample_data: Callable[[str], Path], name: str, rows: int
) -> None:
    sample = read(sample_data("xray/dicom-samples") / name)
    assert sample.meta["rows"] == rows
    assert "F-DCM-012 monochrome1" in sample.flags
    # lungs are darker than the mediastinum between them
    assert sample.data[0, 4:9, 3:5].mean() < sample.data[0, 6:12, 7:9].mean()


@pytest.mark.parametrize("name", ["reportsi.dcm", "test-SR.dcm"])
def test_real_structured_reports_are_no_images(
    sample_data: Callable[[str], Path], name: str
) -> None:
    with pytest.raises(BadInput, match="E-DCM-011"):
        read(sample_data("xray/dicom-samples") / name)


def test_real_thumbnails_and_photographs(sample_data: Callable[[str], Path]) -> None:
    files = sorted(sample_data("xray/nih-cxr14-64px/images").glob("*.png"))[::20]
    files += sorted(sample_data("xray/covid-chestxray").rglob("*.jpg"))[::20]
    assert len(files) > 40
    for path in files:
        sample = read(path)
        assert sample.data.shape == (1, 16, 16)
        assert 0 <= sample.data.min() <= sample.data.max() <= 1
