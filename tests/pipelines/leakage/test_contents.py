"""Equal contents: refused where they spoil numbers, noted where they are ordinary."""

import pytest

from pipelines.leakage.contents import check_contents, labels_of
from workbench.fingerprint import Fingerprint

SPLITS = ("train", "train", "val", "test", "test")


def first(checks):
    return checks[0]


def test_copies_of_a_file_in_two_splits_are_refused_by_name(plan, part, manifest, seen):
    rows = manifest(SPLITS)
    check = first(check_contents(plan(), rows, seen(part(), "abcbd")))
    assert check.refused
    assert "E-MAN-004 rows.csv: ecg contents" in str(check.refusal(rows))
    assert "('r1', 'r3')" in str(check.refusal(rows))


@pytest.mark.parametrize("cell", ["path", "either"])
def test_they_are_flagged_where_the_file_says_so_unless_strict(plan, part, manifest, seen, cell):
    one = seen(part(cell=cell), "abcbd")
    check = first(check_contents(plan(duplicates="flag"), manifest(SPLITS), one))
    assert (check.verdict, check.found) == ("flag", 1)
    strict = first(check_contents(plan(duplicates="flag", strict=True), manifest(SPLITS), one))
    assert strict.refused


def test_equal_report_texts_are_noted_and_refused_only_when_strict(plan, part, manifest, seen):
    one = seen(part("report", cell="either", repeats=True), "aabab")
    check = first(check_contents(plan(), manifest(SPLITS), one))
    assert (check.verdict, check.found) == ("note", 2)
    assert first(check_contents(plan(strict=True), manifest(SPLITS), one)).refused


def test_copies_inside_one_split_are_no_leak_but_flagged_across_groups(plan, part, manifest, seen):
    groups = ("p1", "p2", "p3", "p4", "p4")
    across, inside = check_contents(plan(), manifest(SPLITS, groups), seen(part(), "aabcc"))
    assert across.found == 0
    assert (inside.verdict, inside.found) == ("flag", 1)
    assert [(p.a, p.b) for p in inside.pairs] == [(0, 1)]


def test_rows_without_a_sample_are_passed_over(plan, part, manifest, seen):
    check = first(check_contents(plan(), manifest(SPLITS), seen(part(), "aa", rows=[0, 4])))
    assert [(p.a, p.b) for p in check.pairs] == [(0, 4)]
    check = first(check_contents(plan(), manifest(SPLITS), seen(part(), "aa", rows=[0, 1])))
    assert check.found == 0


def test_one_text_in_two_arrays_and_one_array_of_two_texts_are_equal(part, seen):
    marks = [Fingerprint(content=c) for c in ("t", "t", "u", "", "v")]
    one = seen(part(), ["a", "b", "b", "c", "c"], prints=marks)
    assert labels_of(one).tolist() == [0, 0, 0, 3, 3]


def test_an_empty_modality_has_no_copies(plan, part, manifest, seen):
    assert all(c.found == 0 for c in check_contents(plan(), manifest(SPLITS), seen(part(), "")))
