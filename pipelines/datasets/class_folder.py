"""Turns folders named for classes, as OCT2017 has them, into a manifest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field, field_validator

from pipelines.datasets.rows import split_groups, to_table
from workbench.dataset import Adapted, Dataset
from workbench.errors import Refusal
from workbench.modality import Options

SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_LAYOUT = "[train|val|test/]CLASS/files, with at least two classes"
_NUMBER = re.compile(r"(\d+)(?!.*\d)")


class ClassFolderOptions(Options):
    r"""How files become rows.

    Attributes:
        column: name of the column that holds the paths: the modality they are for.
        label: name of the label column.
        suffixes: files that count, by the end of their name.
        group_regex: pattern searched in the file name; its first group (or all of it) is the
            patient; OCT2017 names need `^[A-Z]+-(\d+)-`.
        group_block: instead, files of a class whose last number lies in one block of this many
            are one group (0 = off): for sets whose numbers run volume by volume.
        split: `folders` uses the split folders, `groups` deals groups anew, `auto` uses folders
            where train and test are both there.
        seed: of the split by group, 70/10/20, stratified by class.
    """

    column: str = "oct"
    label: str = "label"
    suffixes: tuple[str, ...] = (
        ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".bmp", ".dcm", ".vol",
    )  # fmt: skip
    group_regex: str = ""
    group_block: int = Field(default=0, ge=0)
    split: str = Field(default="auto", pattern="^(auto|folders|groups)$")
    seed: int = 0

    @field_validator("group_regex")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as cause:
            raise ValueError(f"not a regular expression: {cause}") from None
        return value


class ClassFolder(Dataset[ClassFolderOptions]):
    """Images in one folder per class."""

    summary = "[split/]CLASS/files, grouped by a pattern in the file name"
    options = ClassFolderOptions

    def adapt(self, root: Path, options: ClassFolderOptions) -> Adapted:
        """Return one row per file.

        Raises:
            Refusal: no such layout, or one group in two given splits.
        """
        rejected: Counter[str] = Counter()
        rows = []
        for split, name, path in _files(root):
            if path.name.startswith(".") or not path.name.lower().endswith(options.suffixes):
                rejected["another kind of file"] += 1
                continue
            group = _group(path.name, name, options)
            if group is None:
                rejected["no group in the file name"] += 1
                continue
            rows.append({"place": split, "label": name, "group": group,
                         "path": path.relative_to(root).as_posix()})  # fmt: skip
        if len({row["label"] for row in rows}) < 2:
            raise _no_layout(root, f"{len(rows)} usable files in fewer than two classes")
        splits = _splits(rows, options)
        columns = ("id", "group", "split", options.column, options.label)
        table = to_table(
            [
                {"id": row["path"], "group": row["group"], "split": split,
                 options.column: row["path"], options.label: row["label"]}
                for row, split in zip(rows, splits, strict=True)
            ],
            columns,
        )  # fmt: skip
        by = options.group_regex or (f"blocks of {options.group_block}" if options.group_block
                                     else "single files: the patient is not known")  # fmt: skip
        return Adapted(table, root, dict(rejected), f"class folder, groups by {by}")


def _files(root: Path) -> list[tuple[str, str, Path]]:
    """Return (split folder or "", class, file), sorted by path."""
    if not root.is_dir():
        raise _no_layout(root, "no such folder")
    top = sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] not in "._")
    named = [path for path in top if path.name.lower() in SPLITS]
    found = []
    for parent, split in [(p, SPLITS[p.name.lower()]) for p in named] or [(root, "")]:
        for folder in sorted(p for p in parent.iterdir() if p.is_dir() and p.name[0] not in "._"):
            found += [(split, folder.name, file) for file in sorted(folder.iterdir())
                      if file.is_file()]  # fmt: skip
    if not found:
        raise _no_layout(root, "no class folder with files")
    return found


def _group(file: str, label: str, options: ClassFolderOptions) -> str | None:
    """Return the group a file name stands for, or None where it does not say."""
    if options.group_block:
        number = _NUMBER.search(Path(file).stem)
        return f"{label}-{int(number[1]) // options.group_block:05d}" if number else None
    if options.group_regex:
        hit = re.search(options.group_regex, file)
        return (hit[1] if hit.re.groups else hit[0]) if hit else None
    return f"{label}/{file}"


def _splits(rows: Sequence[dict[str, str]], options: ClassFolderOptions) -> list[str]:
    """Return the split of every row: its folder's, or its group's."""
    given = {row["place"] for row in rows}
    if options.split == "folders" or (options.split == "auto" and {"train", "test"} <= given):
        _refuse_straddling(rows)
        return [row["place"] for row in rows]
    # a patient with two classes is dealt once, with the first of them
    strata: dict[str, str] = {}
    for row in rows:
        strata.setdefault(row["group"], row["label"])
    dealt = split_groups(strata, seed=options.seed)
    return [dealt[row["group"]] for row in rows]


def _refuse_straddling(rows: Sequence[dict[str, str]]) -> None:
    """Refuse split folders that are missing or share a group."""
    places: dict[str, set[str]] = {}
    for row in rows:
        places.setdefault(row["group"], set()).add(row["place"])
    if "" in {row["place"] for row in rows}:
        raise _no_layout(Path(), "no split folders")
    torn = sorted(group for group, found in places.items() if len(found) > 1)
    if torn:
        raise Refusal(
            "E-MAN-001", file="class folder", field="group", found=f"{len(torn)} groups in two "
            "split folders", expected="every group in one split",
            fix="Set split: groups to deal the groups anew.",
        )  # fmt: skip


def _no_layout(root: Path, found: str) -> Refusal:
    return Refusal(
        "E-MAN-101", file=root.name or "class folder", field="layout", found=found, expected=_LAYOUT
    )


CLASS_FOLDER = ClassFolder()
