"""Ids and files across splits: named columns, usual columns, and parts cut from one file."""

import pytest

from pipelines.leakage.ids import check_ids, check_parents
from workbench.errors import Refusal

SPLITS = ("train", "train", "val", "test")


def found(checks):
    return {c.name: c.found for c in checks}


def test_a_study_in_two_splits_is_refused(plan, manifest):
    rows = manifest(SPLITS, study_id=("s1", "s2", "s3", "s2"))
    (check,) = check_ids(plan(), rows)
    assert check.refused
    message = str(check.refusal(rows))
    assert "E-MAN-002 rows.csv: column 'study_id'" in message
    assert "('r1', 'r3')" in message


def test_a_named_column_takes_the_place_of_the_usual_ones(plan, manifest):
    rows = manifest(SPLITS, study_id=("s1", "s1", "s1", "s1"), tube=("t", "u", "v", "t"))
    assert found(check_ids(plan(ids=("tube",)), rows)) == {"tube in two splits": 1}
    assert check_ids(plan(ids=()), rows) == []


def test_a_named_column_that_is_missing_is_refused(plan, manifest):
    with pytest.raises(Refusal, match="E-MAN-014"):
        check_ids(plan(ids=("studyid",)), manifest(SPLITS, study_id=("a", "b", "c", "d")))


def test_absent_ids_and_ids_of_one_split_are_no_leak(plan, manifest):
    rows = manifest(SPLITS, specimen=("s1", "s1", None, None))
    assert found(check_ids(plan(), rows)) == {"specimen in two splits": 0}


def test_slices_of_one_file_in_two_splits_are_refused(plan, part, manifest):
    rows = manifest(SPLITS, ecg=("a/r1.hea", "a/r2.hea", "b/r1.hea", "a/r1.dat"))
    (check,) = check_parents(plan(part()), rows)
    assert check.refused
    assert check.code == "E-MAN-003"
    assert [(p.a, p.b) for p in check.pairs] == [(0, 3)]


def test_frames_of_one_volume_are_parts_of_it(plan, part, manifest):
    rows = manifest(SPLITS, oct=("v1.dcm#3", "v2.dcm#1", "v3.dcm#1", "v1.dcm#4"))
    (check,) = check_parents(plan(part("oct")), rows)
    assert check.found == 1


def test_names_that_hold_dots_are_not_cut_short(plan, part, manifest):
    rows = manifest(SPLITS, xray=("1.2.840.1.dcm", "1.2.840.2.dcm", "1.2.840.3.dcm", "1.2.9.dcm"))
    (check,) = check_parents(plan(part("xray")), rows)
    assert check.found == 0


def test_the_same_cell_twice_is_left_to_the_contents(plan, part, manifest):
    rows = manifest(SPLITS, ecg=("r1.hea", "r2.hea", "r3.hea", "r1.hea"))
    (check,) = check_parents(plan(part()), rows)
    assert check.found == 0


def test_records_of_one_table_are_no_parts_of_a_file(plan, part, manifest):
    rows = manifest(SPLITS, dna=("all.fasta#1", "all.fasta#2", "all.fasta#3", "all.fasta#4"))
    assert check_parents(plan(part("dna", cell="either")), rows) == []
