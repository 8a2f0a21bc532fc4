"""WFDB records: what must be refused, what is flagged, and equality with the wfdb package."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from modalities.ecg import ECG
from modalities.ecg.formats.wfdb_file import read_wfdb
from modalities.ecg.leads import LEADS
from modalities.ecg.options import ECGOptions
from modalities.ecg.synth import write_record
from workbench.errors import BadInput
from workbench.modality import Source
from workbench.seeding import keyed_rng

OPTIONS = ECGOptions()


@pytest.fixture
def record(tmp_path):
    """A clean synthetic record in a data root; returns its header."""
    folder = tmp_path / "root"
    folder.mkdir()
    cell = ECG.synthesize("sinus rhythm", keyed_rng(1), folder)
    (folder / cell).rename(folder / "r.hea")
    stem = cell.removesuffix(".hea")
    (folder / f"{stem}.dat").rename(folder / "r.dat")
    text = (folder / "r.hea").read_text().replace(stem, "r")
    (folder / "r.hea").write_text(text)
    return folder / "r.hea"


def edit(header: Path, old: str, new: str, count: int = 0) -> None:
    text = header.read_text()
    assert re.search(old, text), old
    header.write_text(re.sub(old, new, text, count=count))


def refused(header: Path, **options) -> BadInput:
    with pytest.raises(BadInput) as caught:
        ECG.read(Source(header.name, header.parent), ECGOptions(**options))
    assert caught.value.file.startswith(header.name)
    assert caught.value.found
    assert caught.value.expected
    return caught.value


def flags(header: Path, **options) -> tuple[str, ...]:
    return ECG.read(Source(header.name, header.parent), ECGOptions(**options)).flags


def test_clean_record_has_no_flag(record):
    assert flags(record, strict=True) == ()


@pytest.mark.parametrize("evil", ["/etc/passwd", "../../x", "../outside.dat", r"C:\\x"])
def test_signal_file_outside_the_record_directory_is_refused(record, evil):
    (record.parent.parent / "outside.dat").write_bytes(b"\0" * 200_000)
    edit(record, r"r\.dat", evil)
    error = refused(record)
    assert error.code == "E-ECG-001"
    assert "passwd" not in error.found


def test_member_of_a_multi_segment_record_outside_its_directory_is_refused(record):
    (record.parent / "m.hea").write_text("m/2 12 500 10000\nr 5000\n../t9 5000\n")
    (record.parent.parent / "t9.hea").write_text(record.read_text())
    assert refused(record.parent / "m.hea").code == "E-ECG-002"


def test_signal_file_that_is_a_link_out_of_the_root_is_refused(record):
    outside = record.parent.parent / "secret.dat"
    (record.parent / "r.dat").rename(outside)
    os.symlink(outside, record.parent / "r.dat")
    assert refused(record).code == "E-ECG-001"


def test_empty_header_is_refused(record):
    record.write_text("# only a comment\n")
    assert refused(record).code == "E-ECG-004"


def test_missing_signal_lines_are_refused_with_both_counts(record):
    record.write_text("\n".join(record.read_text().splitlines()[:2]))
    error = refused(record)
    assert (error.code, error.found, error.expected) == ("E-ECG-005", "1", "12 as declared")


def test_short_signal_file_is_refused_with_both_counts(record):
    data = (record.parent / "r.dat").read_bytes()
    (record.parent / "r.dat").write_bytes(data[:1200])
    error = refused(record)
    assert (error.code, error.found) == ("E-ECG-006", "600")
    (record.parent / "r.dat").write_bytes(b"")
    assert refused(record).code == "E-ECG-006"


def test_huge_sample_count_is_refused_before_allocation(record):
    edit(record, r"r 12 500 5000", "r 12 500 99999999999")
    error = refused(record)
    assert error.code == "E-ECG-007"
    assert "99999999999" in error.found


@pytest.mark.parametrize(
    ("place", "code"), [(" 5000", "E-ECG-004"), (r"1000\.0\(0\)", "E-ECG-001")]
)
def test_counts_of_five_thousand_digits_are_refused(record, place, code):
    long = "9" * 5000
    edit(record, place, f" {long}" if code == "E-ECG-004" else f"1({long})", count=1)
    assert refused(record).code == code


@pytest.mark.parametrize("fmt", ["16", "8", "310"])
def test_huge_sample_count_is_refused_by_peek_in_every_format(record, fmt):
    edit(record, r"r 12 500 5000", "r 12 500 99999999999")
    edit(record, r"\.dat 16 ", f".dat {fmt} ")
    with pytest.raises(BadInput, match="E-ECG-007"):
        ECG.peek(Source(record.name, record.parent), OPTIONS)


def test_wrong_checksum_is_flagged_and_refused_when_strict(record):
    data = bytearray((record.parent / "r.dat").read_bytes())
    data[2000] ^= 1
    (record.parent / "r.dat").write_bytes(data)
    assert flags(record) == ("F-ECG-008 checksum",)
    assert refused(record, strict=True).code == "E-ECG-008"


def test_zero_gain_and_missing_unit_are_flagged_and_refused_when_strict(record):
    edit(record, r"1000\.0\(0\)/mV", "0(0)/mV")
    assert "F-ECG-009 gain-assumed" in flags(record)
    assert refused(record, strict=True).code == "E-ECG-009"
    edit(record, r"0\(0\)/mV", "1000")
    assert flags(record) == ("F-ECG-010 unit-assumed",)
    assert refused(record, strict=True).code == "E-ECG-010"


def test_microvolts_called_millivolts_are_flagged(record):
    edit(record, r"1000\.0\(0\)/mV", "1.0(0)/mV")
    assert "F-ECG-011 amplitude" in flags(record)
    edit(record, r"1\.0\(0\)/mV", "1.0(0)/uV")
    assert flags(record) == ()


@pytest.mark.parametrize("rate", ["0", "-500", "nan", "1e9"])
def test_impossible_rate_is_refused(record, rate):
    edit(record, r"r 12 500 ", f"r 12 {rate} ")
    assert refused(record).code == "E-ECG-012"


def test_recording_shorter_than_a_second_is_refused(record):
    edit(record, r"r 12 500 5000", "r 12 500 400")
    assert refused(record).code == "E-ECG-012"


def test_a_lead_less_leaves_a_masked_row_and_a_flag(record):
    lines = record.read_text().splitlines()
    lines[-1] = lines[-1].replace(" V6", " vx")
    record.write_text("\n".join(lines))
    sample = ECG.read(Source(record.name, record.parent), OPTIONS)
    assert {"F-ECG-013 missing-leads", "F-ECG-014 extra-leads"} <= set(sample.flags)
    assert not sample.valid[11].any()
    assert sample.valid[:11].all()
    assert (sample.data[11] == 0).all()


def test_duplicate_leads_are_refused(record):
    edit(record, r" aVL\n", " aVF\n")
    assert refused(record).code == "E-ECG-014"


def test_stored_order_does_not_change_the_array(record):
    before = ECG.read(Source(record.name, record.parent), OPTIONS)
    stored = np.fromfile(record.parent / "r.dat", "<i2").reshape(-1, 12).T
    order = keyed_rng(3).permutation(12)
    write_record(record.parent, "shuffled", stored[order], leads=tuple(LEADS[i] for i in order))
    after = ECG.read(Source("shuffled", record.parent), OPTIONS)
    np.testing.assert_array_equal(before.data, after.data)
    assert after.flags == ("F-ECG-014 lead-order",)


def test_swapped_arm_leads_are_flagged(tmp_path):
    folder = tmp_path
    cell = ECG.synthesize("sinus rhythm", keyed_rng(1), folder)
    stored = np.fromfile(folder / cell.replace(".hea", ".dat"), "<i2").reshape(-1, 12).T.copy()
    stored[[0, 1, 2, 3, 4]] = [-stored[0], stored[2], stored[1], stored[4], stored[3]]
    write_record(folder, "swapped", stored)
    assert "F-ECG-016 limb-reversal" in flags(folder / "swapped.hea")


def test_lead_that_breaks_einthoven_is_flagged(tmp_path):
    cell = ECG.synthesize("sinus rhythm", keyed_rng(2), tmp_path)
    stored = np.fromfile(tmp_path / cell.replace(".hea", ".dat"), "<i2").reshape(-1, 12).T.copy()
    stored[1] = stored[7]
    write_record(tmp_path, "mixed", stored)
    assert "F-ECG-015 einthoven" in flags(tmp_path / "mixed.hea")


def test_sentinels_are_masked_and_their_share_is_recorded(record):
    stored = np.fromfile(record.parent / "r.dat", "<i2").reshape(-1, 12).T.copy()
    stored[7, 1000:1500] = -32768
    write_record(record.parent, "gap", stored)
    sample = ECG.read(Source("gap", record.parent), OPTIONS)
    assert "F-ECG-017 gaps" in sample.flags
    assert not sample.valid[7, 201:299].any()
    assert sample.valid[7, 301:].all()
    assert sample.meta["gap_share"] == pytest.approx(500 / 60000, abs=1e-6)
    assert np.isfinite(sample.data).all()


def test_flat_and_saturated_leads_are_flagged(record):
    stored = np.fromfile(record.parent / "r.dat", "<i2").reshape(-1, 12).T.copy()
    stored[8] = 0
    stored[9, ::40] = 32767
    write_record(record.parent, "poor", stored)
    sample = ECG.read(Source("poor", record.parent), OPTIONS)
    assert {"F-ECG-018 flat", "F-ECG-018 saturated"} <= set(sample.flags)
    assert sample.meta["missing_leads"] == ("V3",)


def test_gaps_between_segments_are_masked(record):
    (record.parent / "m.hea").write_text("m/3 12 500 15000\nr 5000\n~ 2500\nr 5000\n")
    sample = ECG.read(Source("m", record.parent), ECGOptions(seconds=25))
    assert "F-ECG-019 multi-segment" in sample.flags
    assert not sample.valid[:, 1001:1499].any()
    assert sample.valid[:, 1501:2499].all()
    assert not sample.valid[:, 2501:].any()


def test_bad_date_and_foreign_comment_bytes_are_flagged_not_fatal(record):
    edit(record, r"r 12 500 5000", "r 12 500 5000 99:99:99:99 40/40/1990")
    record.write_bytes(record.read_bytes() + b"# M\xfcller\n")
    assert flags(record) == ("F-ECG-021 comment-encoding", "F-ECG-020 header-date")


def test_comments_never_reach_a_message_or_the_sample(record):
    record.write_text(record.read_text() + "# Name: Canary Person\n")
    sample = ECG.read(Source(record.name, record.parent), OPTIONS)
    assert "Canary" not in repr((sample.meta, sample.flags))
    edit(record, r"r 12 500 ", "r 12 0 ")
    assert "Canary" not in str(refused(record))


def test_mutated_headers_are_read_or_refused_and_nothing_else(record):
    clean = record.read_bytes()
    outcomes = set()
    for turn in range(300):
        rng = keyed_rng("header", turn)
        data = bytearray(clean)
        for place in rng.integers(0, len(data), int(rng.integers(1, 4))):
            data[place] = int(rng.choice(list(b"0123456789-+:x/().eE \n~\0\xff")))
        record.write_bytes(data)
        try:
            sample = ECG.read(Source(record.name, record.parent), OPTIONS)
        except BadInput as error:
            outcomes.add(error.code)
        else:
            assert np.isfinite(sample.data).all()
            outcomes.add("read")
    assert {"read", "E-ECG-001", "E-ECG-006"} <= outcomes


@pytest.mark.parametrize("name", ["100", "a103l", "s0010_re"])
def test_values_equal_those_of_the_wfdb_package(sample_data, name):
    wfdb = pytest.importorskip("wfdb")
    header = sample_data(f"ecg/wfdb-python/{name}.hea")
    theirs = wfdb.rdrecord(str(header.with_suffix("")), sampto=20_000)
    ours = {c.name: c.values_mv for c in read_wfdb(header, name, OPTIONS).channels}
    for lead, values in zip(theirs.sig_name, theirs.p_signal.T, strict=True):
        if lead in ours:
            np.testing.assert_array_equal(ours[lead][:20_000], values)
    assert len(ours) >= 2


@pytest.mark.parametrize("fmt", ["8", "80", "24", "32", "61", "160", "310", "311"])
def test_rare_formats_equal_the_wfdb_package(tmp_path, fmt):
    wfdb = pytest.importorskip("wfdb")
    rng = keyed_rng(fmt)
    walk = np.cumsum(rng.integers(-3, 4, (600, 2)), axis=0)
    stored = np.clip(walk, -100, 100).astype(np.int64)
    if fmt == "61":
        data = stored.astype(">i2").tobytes()
    elif fmt == "160":
        data = (stored + 32768).astype("<u2").tobytes()
    elif fmt == "32":
        data = stored.astype("<i4").tobytes()
    elif fmt == "24":
        data = stored.astype("<i4").reshape(-1, 1).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    elif fmt == "80":
        data = (stored + 128).astype(np.uint8).tobytes()
    elif fmt == "8":
        data = np.diff(stored, axis=0, prepend=np.zeros((1, 2))).astype(np.int8).tobytes()
    else:
        flat = np.pad(stored.ravel() & 1023, (0, -stored.size % 3)).reshape(-1, 3)
        if fmt == "310":
            low = (flat[:, 0] << 1) | ((flat[:, 2] & 31) << 11)
            high = (flat[:, 1] << 1) | ((flat[:, 2] >> 5) << 11)
            data = np.stack([low, high], 1).astype("<u2").tobytes()
        else:
            data = (flat[:, 0] | flat[:, 1] << 10 | flat[:, 2] << 20).astype("<u4").tobytes()
    (tmp_path / "x.dat").write_bytes(data)
    lines = ["x 2 250 600"] + [
        f"x.dat {fmt} 100(0)/mV 16 0 {stored[0, i] if fmt != '8' else 0} "
        f"{int(np.int64(stored[:, i].sum()).astype(np.int16))} 0 {lead}"
        for i, lead in enumerate(("I", "II"))
    ]
    (tmp_path / "x.hea").write_text("\n".join(lines) + "\n")
    theirs = wfdb.rdrecord(str(tmp_path / "x"))
    ours = read_wfdb(tmp_path / "x.hea", "x", OPTIONS)
    for row, channel in enumerate(ours.channels):
        np.testing.assert_array_equal(channel.values_mv, theirs.p_signal[:, row])
        np.testing.assert_allclose(channel.values_mv, stored[:, row] / 100)


def test_every_challenge_record_equals_the_wfdb_package(sample_data):
    wfdb = pytest.importorskip("wfdb")
    headers = sorted(sample_data("ecg/cinc2021-torch_ecg").glob("*.hea"))
    headers += sorted(sample_data("ecg/cpsc2018-lzzz1").glob("*.hea"))
    assert len(headers) == 60
    for header in headers:
        theirs = wfdb.rdrecord(str(header.with_suffix(""))) if header.stem[-1] in "03" else None
        ours = read_wfdb(header, header.name, ECGOptions())
        assert len(ours.channels) == 12
        if theirs is not None:
            got = np.stack([channel.values_mv for channel in ours.channels], axis=1)
            np.testing.assert_array_equal(got, theirs.p_signal)
        expected = {"A": ("F-ECG-020 header-date",)}.get(header.stem[0], ())
        assert ours.flags == expected, header.name
