from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from workbench.config import ManifestConfig
from workbench.errors import Refusal
from workbench.manifest import read_manifest


def read(path: Path, text: str, **config):
    path.write_text(text, encoding="utf-8")
    return read_manifest(path, ManifestConfig(path=str(path), **config), seed=1)


GOOD = "id,group,split,ecg,label\n00123,p1,train,a.hea,NA\n0124,p1,train,,None\n7,p2,test,b.hea,\n"


def test_a_patient_in_two_splits_is_refused(tmp_path):
    with pytest.raises(Refusal, match=r"E-MAN-001 m\.csv: split has 1 groups in two splits.*'p1'"):
        read(tmp_path / "m.csv", "id,group,split\n1,p1,train\n2,p1,test\n")


def test_a_missing_column_is_named_with_the_nearest(tmp_path):
    with pytest.raises(
        Refusal, match=r"no column 'group', expected one of .*did you mean 'groups'"
    ):
        read(tmp_path / "m.csv", "id,groups,split\n1,p1,train\n")


def test_a_repeated_id_is_refused(tmp_path):
    with pytest.raises(Refusal, match=r"E-MAN-006.*1 repeated ids"):
        read(tmp_path / "m.csv", "id,group,split\n1,p1,train\n1,p2,test\n")


def test_an_empty_group_is_refused_with_its_row(tmp_path):
    with pytest.raises(Refusal, match="1 empty cells, first in data row 2"):
        read(tmp_path / "m.csv", "id,group,split\n1,p1,train\n2,,test\n")


def test_ids_and_labels_stay_text(tmp_path):
    manifest = read(tmp_path / "m.csv", GOOD)
    assert manifest.ids == ("00123", "0124", "7")
    assert manifest.column("label") == ("NA", "None", None)
    assert manifest.column("ecg") == ("a.hea", None, "b.hea")


def test_bom_semicolons_and_quoted_newlines_are_read(tmp_path):
    text = '\ufeffid;group;split;report\n1;p;train;"two\nlines; one cell"\n'
    assert read(tmp_path / "m.csv", text).column("report") == ("two\nlines; one cell",)


def test_equal_words_in_other_unicode_forms_are_equal(tmp_path):
    text = "id,group,split,label\n1,a,train,caf\u00e9 \n2,b,train,cafe\u0301\n"
    assert len(set(read(tmp_path / "m.csv", text).column("label"))) == 1


def test_parquet_numbers_become_text(tmp_path):
    path = tmp_path / "m.parquet"
    pa.parquet.write_table(pa.table({"id": [1, 2], "group": [5, 6], "split": ["a", "b"]}), path)
    manifest = read_manifest(path, ManifestConfig(path=str(path)), seed=1)
    assert manifest.ids == ("1", "2")


def test_drawn_splits_keep_groups_whole_and_do_not_move_when_rows_are_added(tmp_path):
    shares = {"train": 0.5, "val": 0.2, "test": 0.3}
    lines = [f"{i},g{i // 3}" for i in range(300)]
    small = read(tmp_path / "a.csv", "id,group\n" + "\n".join(lines[:150]), split=shares)
    large = read(tmp_path / "b.csv", "id,group\n" + "\n".join(lines), split=shares)
    assert large.splits[:150] == small.splits
    assert set(large.splits) == {"train", "val", "test"}
    by_group = {g: {s for h, s in zip(large.groups, large.splits, strict=True) if h == g}
                for g in large.groups}  # fmt: skip
    assert all(len(s) == 1 for s in by_group.values())


def test_a_template_drops_missing_words(tmp_path):
    text = "id,group,split,order,genus\n1,a,train,Diptera,Aedes\n2,b,train,Diptera,\n3,c,train,,\n"
    manifest = read(tmp_path / "m.csv", text)
    assert manifest.filled("{order} {genus}") == ("Diptera Aedes", "Diptera", None)


def test_limited_keeps_groups_whole_and_every_split(tmp_path):
    lines = [f"{i},g{i // 4},{'test' if i // 4 % 5 == 0 else 'train'}" for i in range(400)]
    manifest = read(tmp_path / "m.csv", "id,group,split\n" + "\n".join(lines))
    some = manifest.limited(40)
    assert 20 <= len(some) <= 60
    assert set(some.splits) == {"train", "test"}
    assert all(sum(h == g for h in some.groups) == 4 for g in set(some.groups))


def test_the_digest_sees_one_changed_cell(tmp_path):
    a = read(tmp_path / "a.csv", GOOD)
    b = read(tmp_path / "b.csv", GOOD.replace("b.hea", "c.hea"))
    assert a.digest() != b.digest()
    assert a.digest() == read(tmp_path / "c.csv", GOOD).digest()
