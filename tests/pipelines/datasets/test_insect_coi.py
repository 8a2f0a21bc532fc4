from __future__ import annotations

import gzip
from collections import Counter

import pytest

from pipelines.datasets.insect_coi import COLUMNS, INSECT_COI
from workbench.errors import Refusal

HEADER = sorted(set(COLUMNS.values()))


def adapt(root, **options):
    return INSECT_COI.adapt(root, INSECT_COI.options(**options))


def write(folder, rows, header=HEADER):
    lines = ["\t".join(header), *("\t".join(row.get(key, "") for key in header) for row in rows)]
    (folder / "insect_coi.tsv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    return folder


def row(name, **other):
    return {"processid": name, "split": "train", "nucleotides": "ACGT", **other}


def test_a_folder_without_the_table_is_refused(tmp_path):
    with pytest.raises(Refusal) as caught:
        adapt(tmp_path)
    assert "insect_coi.tsv.gz" in str(caught.value)


def test_a_missing_column_is_refused_by_name(tmp_path):
    write(tmp_path, [row("a")], [key for key in HEADER if key != "bin_uri"])
    with pytest.raises(Refusal) as caught:
        adapt(tmp_path)
    assert "bin_uri" in str(caught.value)


def test_unusable_rows_are_left_out_with_their_reason(tmp_path):
    rows = [row("a"), row("a"), row(""), row("b", split="later"), row("c", nucleotides="None")]
    done = adapt(write(tmp_path, rows))
    assert done.table["id"].to_pylist() == ["a"]
    assert done.rejected == {
        "processid used twice": 1, "no processid": 1, "unknown split": 1, "no sequence": 1,
    }  # fmt: skip


def test_missing_cells_are_null_and_never_empty_text(tmp_path):
    table = adapt(write(tmp_path, [row("007", country="NA", genus_name="None")])).table
    first = table.to_pylist()[0]
    assert first["id"] == first["group"] == "007"
    assert (first["country"], first["genus"], first["subfamily"]) == ("NA", None, None)


def test_exact_duplicates_can_be_left_out(tmp_path):
    rows = [row("a", exact_dup_in_gallery="0"), row("b", exact_dup_in_gallery="1")]
    write(tmp_path, rows)
    assert adapt(tmp_path).table.num_rows == 2
    assert adapt(tmp_path, exact_duplicates=False).table["id"].to_pylist() == ["a"]


def test_the_real_table_gives_the_documented_splits(sample_data):
    done = adapt(sample_data("dna/insect-bold"))
    table = done.table
    assert Counter(table["split"].to_pylist()) == {
        "train": 14_314, "val_seen": 3_073, "test_seen": 3_073, "key_unseen": 1_435,
        "test_unseen": 1_445,
    }  # fmt: skip
    assert table.column_names == list(COLUMNS)
    assert done.rejected == {}
    assert len(set(table["species"].to_pylist())) == 767
    seen = {
        r["species"]
        for r in table.select(["species", "split"]).to_pylist()
        if r["split"] == "train"
    }
    unseen = {
        r["species"]
        for r in table.select(["species", "split"]).to_pylist()
        if "unseen" in r["split"]
    }
    assert not seen & unseen
    assert "CC BY-SA" in done.source
