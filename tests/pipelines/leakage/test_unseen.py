"""Unseen species: a name, a BIN or a barcode that training holds is refused."""

from pipelines.leakage.unseen import check_unseen

SPLITS = ("train", "train", "test_seen", "test_unseen")


def found(checks):
    return {c.name.partition(" of")[0]: (c.found, c.verdict) for c in checks}


def test_no_claim_no_check(plan, manifest):
    rows = manifest(("train", "test"), species=("a", "a"))
    assert check_unseen(plan(), rows, []) == []


def test_a_species_of_training_under_an_unseen_split_is_refused(plan, manifest):
    rows = manifest(SPLITS, species=("a", "b", "a", "b"), bin_uri=("x", "y", "x", "z"))
    checks = check_unseen(plan(), rows, [])
    assert found(checks) == {"species": (1, "refuse"), "bin_uri": (0, "refuse")}
    assert "('r1', 'r3')" in str(checks[0].refusal(rows))
    assert checks[0].code == "E-MAN-005"


def test_species_that_other_splits_share_are_no_leak(plan, manifest):
    rows = manifest(SPLITS, species=("a", "b", "a", "c"))
    assert found(check_unseen(plan(), rows, [])) == {"species": (0, "refuse")}


def test_a_barcode_of_training_is_refused_even_where_copies_are_allowed(plan, part, manifest, seen):
    rows = manifest(SPLITS)
    dna = seen(part("dna", cell="either"), "abca")
    checks = check_unseen(plan(duplicates="flag"), rows, [dna])
    assert found(checks) == {"dna content": (1, "refuse")}


def test_texts_repeat_and_say_nothing(plan, part, manifest, seen):
    lineage = seen(part("lineage", cell="either", repeats=True), "abca")
    assert check_unseen(plan(), manifest(SPLITS), [lineage]) == []


def test_splits_and_columns_can_be_named(plan, manifest):
    rows = manifest(("train", "new"), species=("a", "b"), bin_uri=("x", "x"), tribe=("t", "t"))
    settings = {"unseen": ("new",), "unseen_by": ("species", "tribe")}
    assert found(check_unseen(plan(**settings), rows, [])) == {
        "species": (0, "refuse"), "tribe": (1, "refuse"), "bin_uri": (1, "flag"),
    }  # fmt: skip
    strict = check_unseen(plan(**settings, strict=True), rows, [])
    assert found(strict)["bin_uri"] == (1, "refuse")
