from __future__ import annotations

import pytest

from pipelines.datasets.bold import BOLD, OUTPUT
from workbench.errors import Refusal

HEADER = ("processid", "sampleid", "bin_uri", "species", "marker_code", "nucraw", "collectors")


def adapt(root, **options):
    return BOLD.adapt(root, BOLD.options(**options))


def write(folder, rows, header=HEADER):
    lines = ["\t".join(header), *("\t".join(row) for row in rows)]
    (folder / "bold.tsv").write_text("\n".join(lines) + "\n")
    return folder


def row(name, *, sample="s", bin_="B1", species="x y", marker="COI-5P", dna="ACGT"):
    return (name, sample, bin_, species, marker, dna, "A Person")


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(Refusal):
        adapt(tmp_path)


def test_a_missing_sequence_column_is_refused(tmp_path):
    with pytest.raises(Refusal) as caught:
        adapt(write(tmp_path, [], HEADER[:5]))
    assert "nucraw" in str(caught.value)


def test_unusable_rows_are_counted_by_reason(tmp_path):
    rows = [row("a"), row("a"), row("b", marker="ITS"), row("c", dna="None"), row("d", dna="--N")]
    done = adapt(write(tmp_path, rows))
    assert done.table["id"].to_pylist() == ["a"]
    assert done.rejected == {"processid used twice": 1, "another marker": 1, "no sequence": 2}


def test_people_never_reach_the_manifest(tmp_path):
    table = adapt(write(tmp_path, [row("a")])).table
    assert table.column_names == list(OUTPUT)
    assert "A Person" not in str(table.to_pylist())


def test_missing_ranks_are_null(tmp_path):
    first = adapt(write(tmp_path, [row("a", species="None")])).table.to_pylist()[0]
    assert first["species"] is None
    assert first["family"] is None


@pytest.mark.parametrize(("split_by", "key"), [("specimen", "group"), ("bin", "bin_uri")])
def test_splits_keep_specimens_or_bins_together(tmp_path, split_by, key):
    rows = [
        row(f"p{i}", sample=f"s{i // 2}", bin_=f"B{i // 3}", dna="ACGT" * (1 + i // 3))
        for i in range(60)
    ]
    table = adapt(write(tmp_path, rows), split_by=split_by).table.to_pylist()
    homes = {}
    for cells in table:
        homes.setdefault(cells[key], set()).add(cells["split"])
    assert {cells["split"] for cells in table} == {"train", "val", "test"}
    assert all(len(home) == 1 for home in homes.values())


def test_equal_sequences_without_a_bin_follow_the_bin(tmp_path):
    rows = [row(f"p{i}", sample=f"s{i}", bin_=f"B{i}", dna="ACGT" * (1 + i)) for i in range(20)]
    rows += [
        row(f"q{i}", sample=f"t{i}", bin_="None", dna="--" + "ACGT" * (1 + i)) for i in range(20)
    ]
    table = adapt(write(tmp_path, rows), split_by="bin").table.to_pylist()
    home = {cells["id"]: cells["split"] for cells in table}
    assert all(home[f"p{i}"] == home[f"q{i}"] for i in range(20))


def test_the_real_data_package_is_adapted(sample_data):
    done = adapt(sample_data("dna/bold-public-2023"))
    assert done.table.num_rows + sum(done.rejected.values()) == 999
    assert done.table.num_rows >= 990


def test_the_real_v3_export_is_adapted(sample_data):
    path = sample_data("dna/insect-bold/raw_bold_v3_export.Tetrastichus_agonus.tsv")
    done = adapt(path)
    assert set(done.table["species"].to_pylist()) == {"Tetrastichus agonus"}
    assert done.table["id"].to_pylist()[0] == "BCHYM12486-15"
