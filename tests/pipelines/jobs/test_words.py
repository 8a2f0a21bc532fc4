"""Ids and texts of a store: from tables or lines, each once, none empty."""

import pyarrow as pa
import pyarrow.parquet
import pytest

from pipelines.jobs.words import column_of, read_words
from workbench.errors import Refusal


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("i.txt", "a\nb\na\n", "E-EMB-006 i.txt: id has 1 repeated, first ['a']"),
        ("i.txt", "a\n\nb\n", "E-EMB-005 i.txt: id has 1 empty cells, first in row 2"),
        ("i.csv", "ids\na\n", "no 'id', expected one of ['ids']; did you mean 'ids'?"),
        ("i.json", '{"a": 1}', "E-EMB-005 i.json: JSON has dict"),
        ("i.json", "[", "E-EMB-002 i.json: text"),
        ("i.xlsx", "a", "E-EMB-002 i.xlsx: format has .xlsx"),
        ("i.parquet", "a", "E-EMB-002 i.parquet"),
    ],
)
def test_words_that_cannot_be_ids_are_refused(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(Refusal) as caught:
        read_words(tmp_path, name, "id")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [("i.txt", "007\nNA\n"), ("i.csv", 'n,id\n1,007\n2,"NA"\n'), ("i.tsv", "id\tn\n007\t1\nNA\t2\n"),
     ("i.json", '["007", "NA"]')],
)  # fmt: skip
def test_words_stay_what_they_are(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_words(tmp_path, name, "id") == ("007", "NA")


def test_a_parquet_of_numbers_gives_them_as_text_and_other_columns_where_it_has_them(tmp_path):
    pa.parquet.write_table(pa.table({"id": [7, 8], "x": ["a", "b"]}), tmp_path / "i.parquet")
    assert read_words(tmp_path, "i.parquet", "id") == ("7", "8")
    assert column_of(tmp_path, "i.parquet", "x") == ("a", "b")
    assert column_of(tmp_path, "i.parquet", "y") is None


def test_words_are_trimmed_and_composed_as_a_manifest_s_are(tmp_path):
    (tmp_path / "i.txt").write_text(" e\u0301 \n", encoding="utf-8")
    assert read_words(tmp_path, "i.txt", "id") == ("\u00e9",)
