"""Class folders: groups from file names, splits from folders or dealt by group."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipelines.datasets.class_folder import CLASS_FOLDER, ClassFolderOptions
from workbench.errors import Refusal

OCT2017 = ClassFolderOptions(group_regex=r"^[A-Z]+-(\d+)-")


def _files(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_what_is_no_class_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"E-MAN-101.*CLASS/files"):
        CLASS_FOLDER.adapt(tmp_path / "gone", OCT2017)
    with pytest.raises(Refusal, match="E-MAN-101"):
        CLASS_FOLDER.adapt(_files(tmp_path, "CNV/CNV-1-1.jpeg"), OCT2017)
    with pytest.raises(ValidationError, match="regular expression"):
        ClassFolderOptions(group_regex="(")


def test_split_folders_that_share_a_patient_are_refused_unless_dealt_anew(tmp_path: Path) -> None:
    _files(tmp_path, "train/A/A-1-1.png", "train/B/B-2-1.png", "test/A/A-1-2.png")
    with pytest.raises(Refusal, match=r"E-MAN-001.*1 groups"):
        CLASS_FOLDER.adapt(tmp_path, OCT2017)
    again = OCT2017.model_copy(update={"split": "groups"})
    rows = CLASS_FOLDER.adapt(tmp_path, again).table.to_pylist()
    assert len({row["split"] for row in rows if row["group"] == "1"}) == 1


def test_split_folders_are_used_and_other_files_counted(tmp_path: Path) -> None:
    _files(tmp_path, "train/A/A-1-1.png", "train/B/B-2-1.png", "test/A/A-3-1.png",
           "test/A/Thumbs.db", "test/A/odd.png")  # fmt: skip
    adapted = CLASS_FOLDER.adapt(tmp_path, OCT2017.model_copy(update={"column": "xray"}))
    assert adapted.rejected == {"another kind of file": 1, "no group in the file name": 1}
    assert adapted.table.to_pylist()[0] == {
        "id": "test/A/A-3-1.png", "group": "3", "split": "test", "xray": "test/A/A-3-1.png", "label": "A"
    }  # fmt: skip


def test_blocks_of_numbers_are_groups(tmp_path: Path) -> None:
    _files(tmp_path, "A/A_19.png", "A/A_20.png", "A/A_39.png", "B/B_20.png")
    rows = CLASS_FOLDER.adapt(tmp_path, ClassFolderOptions(group_block=20)).table.to_pylist()
    assert [row["group"] for row in rows] == ["A-00000", "A-00001", "A-00001", "B-00001"]


def test_real_folders_keep_patients_and_blocks_in_one_split(sample_data) -> None:  # type: ignore[no-untyped-def]
    for folder, options, count in (
        ("oct/kermany-heysaw", OCT2017, 32),
        ("oct/noor-vineetadas", ClassFolderOptions(group_block=20), 420),
    ):
        rows = CLASS_FOLDER.adapt(sample_data(folder), options).table.to_pylist()
        assert len(rows) == count
        pairs = {(row["group"], row["split"]) for row in rows}
        assert len(pairs) == len({group for group, _ in pairs})
        labels = {row["label"] for row in rows}
        assert {(row["split"], row["label"]) for row in rows} == {
            (split, label) for split in ("train", "val", "test") for label in labels
        }
