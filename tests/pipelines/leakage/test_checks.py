"""Crossing: a key counts once however many homes it has, and every home gets a pair."""

from pipelines.leakage.checks import Check, Pair, crossing

HOMES = ("train", "train", "val", "test", "test")


def found(text):
    return crossing(list(enumerate(text)), HOMES)


def test_a_key_of_one_home_crosses_nothing():
    assert found("aabcc") == (0, ())


def test_a_key_in_two_homes_is_named_by_its_first_rows():
    assert found("abcbd") == (1, (Pair(1, 3),))


def test_a_key_in_three_homes_counts_once_and_pairs_twice():
    assert found("abaca") == (1, (Pair(0, 2), Pair(0, 4)))


def test_a_copy_behind_two_of_its_own_split_is_still_found():
    assert found("aabca") == (1, (Pair(0, 4),))


def test_only_a_finding_that_refuses_stops(manifest):
    rows = manifest(HOMES)
    some = {"field": "f", "code": "E-MAN-004", "found": 1, "pairs": [Pair(0, 3, 0.97)]}
    assert Check("n", verdict="refuse", **some).refused
    assert not Check("n", verdict="flag", **some).refused
    assert not Check("n", "f", "E-MAN-004", "refuse").refused
    message = str(Check("n", verdict="refuse", **some).refusal(rows))
    assert message.startswith("E-MAN-004 rows.csv: f has 1 x n, first [('r0', 'r3')]")


def test_the_record_keeps_the_first_pairs_and_counts_all(manifest):
    rows = manifest(["train"] * 30 + ["test"] * 30)
    check = Check("n", "f", "E-MAN-004", "flag", 30, [Pair(i, i + 30) for i in range(30)])
    kept = check.as_dict(rows)
    assert kept["found"] == 30
    assert len(kept["first"]) == 20
    assert kept["first"][0] == ["r0", "r30"]
