"""Hostile and honest DICOM files through `open_dicom` and `frames`."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    RLELossless,
)

from modalities.dicom import frames, open_dicom, open_header
from workbench.errors import BadInput


def bundled(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    assert found is not None
    return Path(str(found))


def image(**changes: Any) -> Dataset:
    """A clean 16-bit 6 x 8 image; changes set elements, None deletes."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = changes.pop("syntax", ExplicitVRLittleEndian)
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "2.25.7"
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, "2.25.7"
    dataset.PatientName = "Canary^Person"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 6, 8, 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation, dataset.PhotometricInterpretation = 0, "MONOCHROME2"
    dataset.PixelData = np.arange(48, dtype="<u2").tobytes()
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def saved(folder: Path, dataset: Dataset) -> Path:
    path = folder / "image.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def code_of(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        frames(open_dicom(path, path.name), path.name)
    assert "Canary" not in str(caught.value)
    assert caught.value.file == path.name
    assert caught.value.found
    assert caught.value.expected
    return caught.value.code


def test_the_clean_twin_decodes_without_flags(tmp_path: Path) -> None:
    array, flags = frames(open_dicom(saved(tmp_path, image()), "a"), "a")
    assert flags == ()
    assert np.array_equal(array, np.arange(48, dtype=np.uint16).reshape(1, 6, 8))


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_truncated_pixels_are_refused(tmp_path: Path, share: float) -> None:
    pixels = bytes(96)[: max(2, int(96 * share) // 2 * 2)]
    assert code_of(saved(tmp_path, image(PixelData=pixels))) == "E-DCM-001"


def test_a_file_cut_anywhere_never_decodes(tmp_path: Path) -> None:
    whole = bundled("MR_small.dcm").read_bytes()
    stored = dcmread(io.BytesIO(whole)).pixel_array
    path = tmp_path / "cut.dcm"
    for cut in range(97, len(whole), 97):
        path.write_bytes(whole[:cut])
        try:
            array, _ = frames(open_dicom(path, "cut"), "cut")
        except BadInput:
            continue
        assert np.array_equal(array[0], stored)


def test_header_bit_flips_never_escape_as_other_errors(tmp_path: Path) -> None:
    whole = saved(tmp_path, image()).read_bytes()
    rng = np.random.default_rng(3)
    path = tmp_path / "flip.dcm"
    for _ in range(150):
        data = bytearray(whole)
        data[int(rng.integers(128, len(whole) - 96))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(data))
        try:
            array, flags = frames(open_dicom(path, "flip"), "flip")
        except BadInput:
            continue
        assert array.shape == (1, 6, 8) or flags


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"HighBit": 255}, "E-DCM-018"),
        ({"HighBit": 14}, "E-DCM-018"),
        ({"BitsStored": 20, "HighBit": 19}, "E-DCM-018"),
        ({"NumberOfFrames": 0}, "E-DCM-020"),
        ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, "E-DCM-021"),
        ({"PhotometricInterpretation": "RGB"}, "E-DCM-023"),
        ({"PhotometricInterpretation": "SEPIA"}, "E-DCM-023"),
        ({"PhotometricInterpretation": ""}, "E-DCM-023"),
        ({"Rows": 0}, "E-DCM-025"),
        ({"Columns": None}, "E-DCM-025"),
        ({"NumberOfFrames": 1_000_000, "Rows": 512, "Columns": 512}, "E-DCM-027"),
        ({"PixelData": None}, "E-DCM-011"),
    ],
)
def test_headers_that_contradict_themselves(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    assert code_of(saved(tmp_path, image(**changes))) == code


def test_a_huge_rle_frame_is_refused_before_allocation(tmp_path: Path) -> None:
    tiny = encapsulate([bytes(64)])
    changes = {"Rows": 65535, "Columns": 65535, "PixelData": tiny, "syntax": RLELossless}
    assert code_of(saved(tmp_path, image(**changes))) == "E-DCM-026"


def test_a_compressed_frame_too_short_names_its_frame(tmp_path: Path) -> None:
    dataset = dcmread(bundled("SC_rgb_rle_2frame.dcm"))
    dataset.PixelData = dataset.PixelData[:400]
    assert code_of(saved(tmp_path, dataset)) == "E-DCM-004"


def test_data_for_more_frames_give_the_first_and_a_flag(tmp_path: Path) -> None:
    both = np.arange(96, dtype="<u2").tobytes()
    path = saved(tmp_path, image(NumberOfFrames=1, PixelData=both))
    array, flags = frames(open_dicom(path, "a"), "a")
    assert np.array_equal(array[0].ravel(), np.arange(48))
    assert flags == ("F-DCM-020 first-frame-of-2",)


def test_swapped_bytes_are_refused(tmp_path: Path) -> None:
    smooth = np.linspace(1000, 30000, 48 * 64).astype("<u2").reshape(48, 64)
    changes = {"Rows": 48, "Columns": 64, "BitsStored": 16, "HighBit": 15}
    clean = saved(tmp_path, image(**changes, PixelData=smooth.tobytes()))
    assert frames(open_dicom(clean, "a"), "a")[1] == ()
    swapped = image(**changes, PixelData=smooth.byteswap().tobytes())
    assert code_of(saved(tmp_path, swapped)) == "E-DCM-008"


def _deflated(folder: Path, body: bytes) -> Path:
    """A file with the deflated syntax whose data set inflates to `body`."""
    plain = io.BytesIO()
    image(syntax=DeflatedExplicitVRLittleEndian).save_as(plain, enforce_file_format=True)
    head = plain.getvalue()
    end = 132 + 12 + int.from_bytes(head[140:144], "little")
    packer = zlib.compressobj(9, wbits=-15)
    path = folder / "deflated.dcm"
    path.write_bytes(head[:end] + packer.compress(body) + packer.flush())
    return path


def test_a_deflate_bomb_is_refused_and_an_honest_file_read(tmp_path: Path) -> None:
    bomb = _deflated(tmp_path, bytes(80 << 20))
    assert bomb.stat().st_size < 1 << 20
    with pytest.raises(BadInput, match="E-DCM-028"):
        open_dicom(bomb, "bomb")
    array, flags = frames(open_dicom(bundled("image_dfl.dcm"), "dfl"), "dfl")
    assert array.shape == (1, 512, 512)
    assert flags == ()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("MR_truncated.dcm", "E-DCM-001"),
        ("JPEG2000-embedded-sequence-delimiter.dcm", "E-DCM-004"),
        ("JPGExtended.dcm", "E-DCM-006"),
        ("no_meta.dcm", "E-DCM-009"),
        ("meta_missing_tsyntax.dcm", "E-DCM-010"),
        ("rtplan.dcm", "E-DCM-011"),
        ("test-SR.dcm", "E-DCM-011"),
        ("waveform_ecg.dcm", "E-DCM-011"),
        ("badVR.dcm", "E-DCM-030"),
    ],
)
def test_bundled_bad_files(name: str, code: str) -> None:
    assert code_of(bundled(name)) == code


@pytest.mark.parametrize(
    "name",
    ["MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm",
     "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"],
)  # fmt: skip
def test_every_syntax_gives_the_same_pixels(name: str) -> None:
    expected, _ = frames(open_dicom(bundled("MR_small.dcm"), "a"), "a")
    array, flags = frames(open_dicom(bundled(name), name), name)
    assert np.array_equal(array, expected)
    assert flags == ()


def test_sign_follows_the_stream_with_a_flag() -> None:
    name = "J2K_pixelrep_mismatch.dcm"
    assert "F-DCM-019 sign-by-stream" in frames(open_dicom(bundled(name), name), name)[1]


def test_colour_is_rgb_whatever_it_was_stored_as() -> None:
    name = "SC_ybr_full_422_uncompressed.dcm"
    array, _ = frames(open_dicom(bundled(name), name), name)
    assert array[0, 5, 50].tolist() == [254, 0, 0]
    palette, _ = frames(open_dicom(bundled("examples_palette.dcm"), "p"), "p")
    assert palette.shape == (1, 350, 800, 3)
    assert palette.dtype == np.uint8


def test_no_preamble_is_read_with_a_flag(tmp_path: Path) -> None:
    path = tmp_path / "bare.dcm"
    dataset = image()
    dataset.save_as(path, implicit_vr=False, little_endian=True)
    bare = path.read_bytes()
    path.write_bytes(bare[bare.index(b"\x08\x00\x16\x00") :])
    array, flags = frames(open_dicom(path, "bare"), "bare")
    assert array.shape == (1, 6, 8)
    assert "F-DCM-009 no-meta" in flags


def test_an_executable_preamble_and_a_wrong_charset_are_flagged(tmp_path: Path) -> None:
    path = saved(tmp_path, image(SpecificCharacterSet="ISO_IR 100"))
    assert frames(open_dicom(path, "a"), "a")[1] == ()
    data = path.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 999")
    path.write_bytes(b"MZ" + data[2:])
    assert frames(open_dicom(path, "a"), "a")[1] == ("F-DCM-032 preamble", "F-DCM-036 charset")


@pytest.mark.parametrize("text", ["../../etc/passwd", "C:\\x", "{0.__class__}%s%n"])
def test_hostile_names_are_only_data(tmp_path: Path, text: str) -> None:
    array, flags = frames(open_dicom(saved(tmp_path, image(PatientName=text)), "a"), "a")
    assert array.shape == (1, 6, 8)
    assert flags == ()


def test_the_header_alone_shows_a_truncated_file(tmp_path: Path) -> None:
    changes = {"Rows": 64, "Columns": 64, "PixelData": bytes(8192)}
    path = saved(tmp_path, image(**changes))
    assert open_header(path, "a").Rows == 64
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(BadInput, match="E-DCM-001"):
        open_header(path, "a")
