"""Published tables are read as text, and groups are dealt whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.datasets.rows import read_rows, split_groups, to_table
from workbench.errors import Refusal


def _rows(path: Path, data: bytes, *needed: str) -> list[dict[str, str]]:
    path.write_bytes(data)
    return [row for _, row in read_rows(path, needed, layout="a folder")]


def test_ragged_rows_and_missing_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"E-TXT-018 t.csv:3: row has 1 cells"):
        _rows(tmp_path / "t.csv", b"a,b\n1,2\n3\n", "a")
    with pytest.raises(Refusal, match=r"E-MAN-014.*did you mean 'report'"):
        _rows(tmp_path / "t.csv", b"id,report\n1,2\n", "reports")
    with pytest.raises(Refusal, match="E-MAN-014"):
        _rows(tmp_path / "t.csv", b"id;report\n1;2\n", "report")


def test_quoted_newlines_leading_zeros_and_na_stay_text(tmp_path: Path) -> None:
    rows = _rows(tmp_path / "t.csv", b'\xef\xbb\xbfid,text\r\n007,"a\nb"\r\nNA,\r\n', "id")
    assert rows == [{"id": "007", "text": "a\nb"}, {"id": "NA", "text": ""}]


def test_empty_cells_are_missing_in_the_table() -> None:
    table = to_table([{"a": "", "b": "x"}, {"b": None}], ("a", "b"))
    assert table.to_pydict() == {"a": [None, None], "b": ["x", None]}


def test_groups_are_dealt_by_seed_and_every_label_reaches_every_split() -> None:
    groups = {f"g{i}": "rare" if i < 5 else "common" for i in range(100)}
    splits = split_groups(groups, seed=0)
    assert {splits[f"g{i}"] for i in range(5)} == {"train", "val", "test"}
    assert 64 <= sum(name == "train" for name in splits.values()) <= 74
    assert splits == split_groups(dict(reversed(groups.items())), seed=0)
    assert splits != split_groups(groups, seed=1)
