from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modalities.oct.formats.folder import in_order
from workbench.errors import BadInput


def fill(folder: Path, frames, pattern: str = "oct_{}.png", numbers=None) -> Path:
    folder.mkdir(exist_ok=True)
    for number, frame in zip(numbers or range(len(frames)), frames, strict=True):
        Image.fromarray(frame).save(folder / pattern.format(number))
    return folder


def test_a_missing_number_is_refused(tmp_path: Path, frames, quarantined) -> None:
    quarantined(fill(tmp_path / "v", frames, numbers=[0, 1, 2, 4, 5, 6]), "E-OCT-017")


def test_an_empty_folder_and_two_of_one_number_are_refused(tmp_path: Path, frames, quarantined):
    (tmp_path / "empty").mkdir()
    quarantined(tmp_path / "empty", "E-OCT-017")
    fill(tmp_path / "v", frames[:3], "oct_{}.png")
    fill(tmp_path / "v", frames[:1], "oct_00{}.png", numbers=[1])
    quarantined(tmp_path / "v", "E-OCT-010")


def test_two_sizes_are_refused_with_the_file_named(tmp_path: Path, frames, quarantined) -> None:
    fill(tmp_path / "v", frames[:3])
    fill(tmp_path / "v", [frames[3][:10]], numbers=[3])
    assert "oct_3.png" in str(quarantined(tmp_path / "v", "E-OCT-100"))


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, frames, quarantined) -> None:
    fill(tmp_path / "v", frames[:2])
    Image.fromarray(frames[2]).save(tmp_path / "outside.png")
    (tmp_path / "v" / "oct_2.png").symlink_to(tmp_path / "outside.png")
    quarantined(tmp_path / "v", "E-MAN-015")


def test_a_cut_picture_is_refused_by_name(tmp_path: Path, frames, quarantined) -> None:
    fill(tmp_path / "v", frames)
    bad = tmp_path / "v" / "oct_3.png"
    bad.write_bytes(bad.read_bytes()[:60])
    assert "oct_3.png" in str(quarantined(tmp_path / "v", "E-OCT-002"))


def test_numbers_sort_as_numbers_and_en_face_pictures_stay_out(tmp_path: Path, frames, read):
    numbers = [8, 9, 10, 11, 12, 13]
    fill(tmp_path / "v", frames, numbers=numbers)
    Image.fromarray(frames[0][:5]).save(tmp_path / "v" / "ir.png")
    (tmp_path / "v" / "notes.txt").write_text("x")
    sample = read(tmp_path / "v")
    assert "F-OCT-102 en-face-left-out" in sample.flags
    assert (np.diff(sample.data[0].mean(axis=(1, 2))) > 0).all()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["1-Input.tif", "4-Input.tif", "10-Input.tif", "7-Input.tif"], [0, 1, 3, 2]),
        (["p7_2.png", "p7_10.png", "p7_6.png"], [0, 2, 1]),
    ],
)
def test_the_number_that_varies_counts(names: list[str], expected: list[int]) -> None:
    assert in_order(names, "v")[0] == [names[k] for k in expected]


def test_names_without_numbers_are_refused() -> None:
    with pytest.raises(BadInput, match="E-OCT-017"):
        in_order(["a.png", "b.png"], "v")


def test_real_drusen_volume(sample_data, read) -> None:
    sample = read(sample_data("oct/bonn-drusen-volume"))
    assert sample.meta["source_shape"] == (49, 496, 512)
    assert "F-OCT-101 grey-as-colour" in sample.flags


def test_real_heyex_export_leaves_the_en_face_picture_out(sample_data, read) -> None:
    sample = read(sample_data("oct/heidelberg-eyepy/heyex_xml/test_volume"))
    assert sample.meta["source_shape"] == (11, 40, 50)


def test_a_class_folder_is_no_volume(sample_data, quarantined) -> None:
    quarantined(sample_data("oct/noor-vineetadas/NORMAL"), "E-OCT-017")
