from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from modalities.dna import DNA
from modalities.dna.alphabet import decode
from modalities.dna.synth import lineage
from workbench.errors import BadInput
from workbench.modality import Source

BARCODE = decode(lineage("Aedes aegypti"))
OTHER = decode(lineage("Ixodes ricinus"))


def read(value, root=None, **options):
    return DNA.read(Source(value, root), DNA.options(**options))


def refused(value, root=None, **options):
    with pytest.raises(BadInput) as caught:
        read(value, root, **options)
    return caught.value


@pytest.fixture
def put(tmp_path):
    def write(content: bytes | str, name: str = "in.fasta") -> tuple[str, Path]:
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(data)
        return name, tmp_path

    return write


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", "E-MAN-007", "0 bytes"),
        (b"\n\n", "E-DNA-001", "0 records"),
        (gzip.compress(b""), "E-DNA-001", "0 records"),
        (b"hello\n>a\nACGT\n", "E-DNA-002", "line 1"),
        (b">a\n\n", "E-DNA-005", "0 letters"),
        (b">a\nNNNN----\n", "E-DNA-005", "none of them"),
        (b">a\nACGTAC!T\n", "E-DNA-006", "letter 7"),
        (b"\x00\x01\x02binary", "E-DNA-007", "binary"),
        (gzip.compress(b">a\n" + b"ACGT" * 500)[:-30], "E-DNA-007", "early end"),
        (b"\x1f\x8b\x08\x00broken-stream", "E-DNA-007", "gzip"),
        (b">a\nACGT\xe9ACG\n", "E-DNA-008", "line 2"),
        (">a\nACGTéACGT\n".encode(), "E-DNA-008", "letter 5"),
        (b">p\nMSTNPKPQRKTKRNTNRRPQDVKFPGG\n", "E-DNA-014", "amino-acid"),
        (b">a\nACGT\n>b\nACGT\n", "E-DNA-101", "more than one"),
        (b'{"name": 3}', "E-DNA-100", "unknown format"),
        (b"@r\nACGT\n+\nIII\n", "E-DNA-024", "record 1"),
        (b"@r\nACGT\nIIII\n", "E-DNA-024", "no '+' line"),
        (b"@r\nAC\n+\nII\nACGT\n", "E-DNA-024", "record 2"),
        (b"a\tb\n1\t2\n", "E-DNA-102", "2 columns"),
        (b'processid,nuc\n"x,ACGT\n', "E-DNA-102", "CSV"),
        (b"LOCUS       X 8 bp\nORIGIN\n 1 acgt\n//\n", "E-DNA-103", "4 letters"),
        (b"LOCUS       X 4 bp\nORIGIN\n 1 acgt\n", "E-DNA-103", "early end"),
        (b"<GBSet><GBSeq>", "E-DNA-103", "not well formed"),
        (b"<eml/>", "E-DNA-103", "without GBSeq"),
    ],
)
def test_bad_files_are_refused_by_code(put, content, code, said):
    error = refused(*put(content))
    assert (error.code, said in str(error)) == (code, True), str(error)
    assert "in.fasta" in str(error)


def test_xml_entities_are_refused(put):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><GBSet>&b;</GBSet>'
    assert refused(*put(bomb)).code == "E-DNA-103"


def test_inline_markup_is_refused_and_names_its_place():
    error = refused("AC1G!T<script>")
    assert error.code == "E-DNA-006"
    assert error.field == "letter 3"


def test_inline_sequences_never_appear_in_messages(tmp_path):
    assert BARCODE[:20] not in str(refused(BARCODE + "!", tmp_path))


def test_gzip_bombs_stop_at_the_limit(put):
    error = refused(*put(gzip.compress(b">a\n" + b"ACGT\n" * 1_000_000)), max_content_mb=1)
    assert error.code == "E-DNA-020"


@pytest.mark.parametrize("lines", [b"A" * 3000, b"ACGT\n" * 600])
@pytest.mark.parametrize("start", [b">a\n", b"@a\n", b"LOCUS       X\nORIGIN\n"])
def test_long_records_stop_at_the_letters_limit(put, lines, start):
    lines = lines.replace(b"ACGT", b" 1 ACGT") if start.startswith(b"L") else lines
    lines = b" 1 " + lines if start.startswith(b"L") and b"1" not in lines else lines
    assert refused(*put(start + lines), max_letters=2000).code == "E-DNA-018"


def test_unending_lines_stop_before_they_are_whole(put):
    content = b">a\n" + b"A" * 3_000_000
    assert refused(*put(content), max_letters=10_000).code == "E-DNA-018"


def test_inline_letters_have_a_limit():
    assert refused("ACGT" * 30, max_letters=100).code == "E-DNA-018"


@pytest.mark.parametrize(
    "cell", ["../out.fasta", "https://x.org/a.fa", "/etc/passwd#x", "no.fasta"]
)
def test_paths_stay_inside_the_root(tmp_path, cell):
    assert refused(cell, tmp_path).code in ("E-MAN-015", "E-MAN-007")


def test_folders_are_refused(tmp_path):
    (tmp_path / "a.d").mkdir()
    assert refused("a.d", tmp_path).code == "E-MAN-007"


@pytest.mark.parametrize(
    ("change", "flag"),
    [
        (lambda s: s, None),
        (lambda s: s.lower(), "F-DNA-010 lower case"),
        (lambda s: "--" + s[:100] + "---" + s[100:] + "NN", "F-DNA-012 gaps or end N"),
        (lambda s: s.replace("T", "U"), "F-DNA-013 RNA letters"),
        (lambda s: s[:50] + " \n\t" + s[50:], None),
    ],
)
def test_repairs_give_the_same_codes_and_a_flag(change, flag):
    sample = read(change(BARCODE))
    assert decode(sample.data) == BARCODE
    assert sample.flags == (() if flag is None else (flag,))


def test_gaps_and_end_n_can_be_kept():
    assert decode(read("NAC-GTACGTACG", gaps="keep", end_n="keep").data) == "NACNGTACGTACG"


@pytest.mark.parametrize("code", "RYSWKMBDHV")
def test_ambiguity_codes_become_n(code):
    sample = read(BARCODE[:300] + code + BARCODE[301:])
    assert decode(sample.data) == BARCODE[:300] + "N" + BARCODE[301:]
    assert sample.flags == ()


def test_more_than_one_percent_ambiguous_is_flagged():
    assert (
        "F-DNA-011 more than 1 % ambiguous" in read(BARCODE[:300] + "R" * 7 + BARCODE[307:]).flags
    )


def test_the_other_strand_is_turned_to_the_same_codes():
    turned = BARCODE[::-1].translate(str.maketrans("ACGT", "TGCA"))
    sample = read(turned)
    assert decode(sample.data) == BARCODE
    assert sample.flags == ("F-DNA-015 other strand, turned",)
    assert read(turned, orientation="keep").flags == ("F-DNA-015 other strand suspected",)


def test_stops_in_every_frame_are_flagged():
    broken = BARCODE[:200] + "TAACTAACTAA" + BARCODE[200:400] + "TTAGTTAGTTA" + BARCODE[400:600]
    assert "F-DNA-016 numt-suspect" in read(broken, orientation="keep").flags


@pytest.mark.parametrize("length", [499, 701])
def test_unusual_lengths_are_flagged(length):
    assert "F-DNA-017 unusual length" in read((BARCODE + OTHER)[:length]).flags
    assert "F-DNA-017 unusual length" not in read(BARCODE[:500]).flags


FORMATS = {
    "fasta": f">s1|Aedes aegypti|COI-5P\n{BARCODE[:70]}\n{BARCODE[70:]}\n>s2\n{OTHER}\n",
    "cr": f">s1\r{BARCODE}\r>s2\r{OTHER}\r",
    "crlf": f">s1\r\n{BARCODE[:70]}\r\n{BARCODE[70:]}\r\n>s2\r\n{OTHER}",
    "mixed": f">s1\r\n{BARCODE[:70]}\n{BARCODE[70:]}\r>s2\n{OTHER}\r\n",
    "fastq": f"@s1\n{BARCODE}\n+s1\n{'@' * 658}\n@s2\n{OTHER}\n+\n{'I' * 658}\n",
    "genbank": "".join(
        f"LOCUS       {name}  658 bp DNA\nFEATURES  source\nORIGIN\n        1 {seq[:10]} {seq[10:]}\n//\n"
        for name, seq in (("s1", BARCODE), ("s2", OTHER))
    ),
    "gbseq": "<?xml version='1.0'?><GBSet>" + "".join(
        f"<GBSeq><GBSeq_locus>{n}</GBSeq_locus><GBSeq_sequence>{s}</GBSeq_sequence></GBSeq>"
        for n, s in (("s1", BARCODE), ("s2", OTHER))
    ) + "</GBSet>",
    "tsv": f"processid\tnucleotides\textra\ns1\t{BARCODE}\tx\rx\ns2\t{OTHER}\ty\n",
    "csv": f'"Process ID","Note","Code"\r\n">s1","a, b","{BARCODE}"\r\n">s2","","{OTHER}"\r\n',
}  # fmt: skip


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_its_records_by_name(put, kind, packed):
    content = FORMATS[kind].encode()
    name, root = put(gzip.compress(content) if packed else content, "records")
    assert decode(read(f"{name}#s2", root).data) == OTHER
    assert decode(read(f"{name}#s1", root).data) == BARCODE
    assert refused(f"{name}#s3", root).code == "E-DNA-101"


def test_a_byte_order_mark_is_flagged(put):
    sample = read(*put(b"\xef\xbb\xbf>a\n" + BARCODE.encode()))
    assert sample.flags == ("F-DNA-003 byte order mark",)


def test_plain_letters_in_a_file_are_a_sequence(put):
    assert decode(read(*put(BARCODE[:300] + "\n" + BARCODE[300:] + "\n")).data) == BARCODE


def test_duplicate_names_with_one_sequence_are_flagged_with_two_refused(put):
    name, root = put(f">a\n{BARCODE}\n>a\n{BARCODE}\n>b\n{BARCODE}\n>b\n{OTHER}\n")
    assert read(f"{name}#a", root).flags == ("F-DNA-004 duplicate record",)
    assert refused(f"{name}#b", root).code == "E-DNA-004"


def test_another_marker_is_refused_and_not_mixed_up(put):
    rows = (
        f"processid\tmarker_code\tnucraw\na\tITS\t{OTHER}\na\tCOI-5P\t{BARCODE}\nb\tITS\t{OTHER}\n"
    )
    name, root = put(rows, "t.tsv")
    assert decode(read(f"{name}#a", root).data) == BARCODE
    assert refused(f"{name}#b", root).code == "E-DNA-105"
    assert decode(read(f"{name}#b", root, marker="ITS").data) == OTHER


@pytest.mark.parametrize("title", ["a\tb", "x|y|z", "../../etc/passwd", "=cmd()", "a#b"])
def test_record_names_are_only_names(put, title):
    name, root = put(f">{title}\n{BARCODE}\n>z9\n{OTHER}\n")
    assert decode(read(f"{name}#{title}", root).data) == BARCODE


def test_a_changed_file_is_parsed_again(put):
    name, root = put(f">a\n{BARCODE}\n>b\n{OTHER}\n")
    assert decode(read(f"{name}#a", root).data) == BARCODE
    put(f">a\n{OTHER}\n>c\n{BARCODE}G\n")
    assert decode(read(f"{name}#a", root).data) == OTHER


def test_large_files_are_streamed_not_kept(put, monkeypatch):
    from modalities.dna import records

    monkeypatch.setattr(records, "CACHED_RECORDS", 1)
    name, root = put(f">a\n{BARCODE}\n>b\n{OTHER}\n")
    assert decode(read(f"{name}#b", root).data) == OTHER


def test_input_files_are_left_as_they_were(put):
    name, root = put(FORMATS["fasta"])
    before = (root / name).read_bytes()
    read(f"{name}#s1", root)
    assert (root / name).read_bytes() == before
