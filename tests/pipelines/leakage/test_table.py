"""The table of pairs: one line each, both rows named, and readable when there is none."""

import pyarrow.parquet

from pipelines.leakage.checks import Check, Pair
from pipelines.leakage.table import NAME, write_pairs

COLUMNS = [
    "check",
    "verdict",
    "id_a",
    "group_a",
    "split_a",
    "id_b",
    "group_b",
    "split_b",
    "likeness",
]


def test_nothing_found_is_an_empty_table_with_all_columns(manifest, tmp_path):
    write_pairs([], manifest(("train",)), tmp_path)
    table = pyarrow.parquet.read_table(tmp_path / NAME)
    assert table.column_names == COLUMNS
    assert len(table) == 0


def test_every_pair_is_a_line(manifest, tmp_path):
    checks = [
        Check("near", "f", "E-MAN-004", "flag", 1, [Pair(0, 2, 0.99)]),
        Check("equal", "f", "E-MAN-004", "refuse", 1, [Pair(1, 2)]),
    ]
    write_pairs(checks, manifest(("train", "val", "test"), ("p", "q", "r")), tmp_path)
    near, equal = pyarrow.parquet.read_table(tmp_path / NAME).to_pylist()
    assert list(near.values()) == ["near", "flag", "r0", "p", "train", "r2", "r", "test", 0.99]
    assert equal["likeness"] is None
    assert (equal["id_a"], equal["split_b"], equal["verdict"]) == ("r1", "test", "refuse")
