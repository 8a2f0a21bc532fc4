from __future__ import annotations

import csv
import gzip
import io
import time
from collections import Counter

import pytest

from modalities.dna import DNA
from modalities.dna.alphabet import decode, encode, reverse_complement
from workbench.errors import BadInput
from workbench.modality import Source

OPTIONS = DNA.options()


def rows(path, delimiter="\t"):
    text = (gzip.decompress if path.suffix == ".gz" else bytes)(path.read_bytes()).decode()
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def read(cell, root, options=OPTIONS):
    return DNA.read(Source(cell, root), options)


def test_all_insect_barcodes_read_inline_within_two_seconds(sample_data):
    path = sample_data("dna/insect-bold/insect_coi.tsv.gz")
    cells = [row["nucleotides"] for row in rows(path)]
    start = time.process_time()
    samples = [DNA.read(Source(cell), OPTIONS) for cell in cells]
    assert time.process_time() - start <= 2.0
    assert len(samples) == 23_340
    flags = Counter(flag[:9] for sample in samples for flag in sample.flags)
    assert flags["F-DNA-015"] <= 2  # barcodes of this export are all in reading direction
    assert flags["F-DNA-016"] <= 40


def test_the_other_strand_of_real_barcodes_is_recognised(sample_data):
    path = sample_data("dna/insect-bold/insect_coi_small.tsv")
    right = [DNA.read(Source(row["nucleotides"]), OPTIONS) for row in rows(path)]
    turned = [DNA.read(Source(decode(reverse_complement(s.data))), OPTIONS) for s in right]
    same = sum(a.data.tobytes() == b.data.tobytes() for a, b in zip(right, turned, strict=True))
    assert same >= 0.97 * len(right)


def test_small_fasta_and_tables_agree_record_by_record(sample_data):
    root = sample_data("dna/insect-bold")
    for row in rows(root / "insect_coi_small.tsv"):
        expected = DNA.read(Source(row["nucleotides"]), OPTIONS).data.tobytes()
        for file in ("insect_coi_small.fasta", "insect_coi_small.tsv", "insect_coi.tsv.gz"):
            assert read(f"{file}#{row['processid']}", root).data.tobytes() == expected


def test_raw_bold_export_has_one_record_per_line(sample_data):
    root = sample_data("dna/insect-bold")
    file = "raw_bold_v3_export.Tetrastichus_agonus.tsv"
    lines = [line for line in (root / file).read_bytes().decode().split("\n")[1:] if line.strip()]
    found = Counter()
    for line in lines:
        name = line.split("\t")[0]
        try:
            found[read(f"{file}#{name}", root).flags[-1][:5]] += 1
        except BadInput as error:
            found[error.code] += 1
    assert sum(found.values()) == len(lines)
    assert found["F-DNA"] >= 1


def test_bold_data_package_is_read_and_its_description_refused(sample_data):
    root = sample_data("dna/bold-public-2023")
    table = "BOLD_Public.18-Dec-2023.sample.tsv"
    names = [row["processid"] for row in rows(root / table)]
    samples = [read(f"{table}#{name}", root) for name in names]
    assert len(samples) == 999
    assert all(len(sample.data) > 0 for sample in samples)
    with pytest.raises(BadInput) as caught:
        read("BOLD_Public.18-Dec-2023.datapackage.json", root)
    assert caught.value.code in ("E-DNA-100", "E-DNA-102")


@pytest.mark.parametrize(("file", "count"), [("Bird2.csv.gz", 2589), ("FishAustralia.csv.gz", 754)])
def test_aligned_dimacs_tables_lose_their_gaps(sample_data, file, count):
    root = sample_data("dna/dimacs-2007")
    options = DNA.options(genetic_code=2)
    names = [row["Process ID"].lstrip(">") for row in rows(root / file, ",")]
    assert len(names) == count
    flags, refused = Counter(), Counter()
    for name in dict.fromkeys(names):
        try:
            flags.update(read(f"{file}#{name}", root, options).flags)
        except BadInput as error:
            refused[error.code] += 1
    assert set(refused) <= {"E-DNA-004"}
    assert flags["F-DNA-012 gaps or end N"] >= 0.9 * count


def test_fish_sequences_are_read_and_the_other_tables_refused(sample_data):
    root = sample_data("dna/lizard-island-fish")
    options = DNA.options(genetic_code=2)
    names = [row["dwc:materialSampleID"] for row in rows(root / "sequences.tsv")]
    samples = [read(f"sequences.tsv#{name}", root, options) for name in names]
    assert len(samples) == 983
    turned = sum("F-DNA-015 other strand, turned" in sample.flags for sample in samples)
    assert turned <= 5
    for file, code in (
        ("occurrences.tsv", "E-DNA-102"),
        ("meta.xml", "E-DNA-103"),
        ("eml.xml", "E-DNA-103"),
    ):
        with pytest.raises(BadInput) as caught:
            read(f"{file}#{names[0]}", root)
        assert caught.value.code == code


@pytest.mark.parametrize(("accession", "length"), [("JQ173912", 652), ("KP420745", None)])
def test_insdc_xml_is_read_by_accession(sample_data, accession, length):
    root = sample_data("dna/insdc-xml")
    alone = read(f"{accession}.xml", root)
    named = read(f"{accession}.xml#{accession}", root)
    assert alone.data.tobytes() == named.data.tobytes()
    assert "F-DNA-010 lower case" in alone.flags
    assert length is None or alone.meta["length_bp"] == length
    assert encode(decode(alone.data).encode()).tobytes() == alone.data.tobytes()
