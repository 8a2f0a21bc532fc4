"""Near-copies: found by shared keys, measured, and at a cost that only doubles with the samples."""

import numpy as np
import pytest

from pipelines.leakage.near import MEASURED, REACH, candidates, check_near, near_pairs
from workbench.fingerprint import Fingerprint, code_keys

SPLITS = ("train", "test", "train", "test")


def keyed(*numbers):
    return Fingerprint(np.array(numbers, dtype=np.uint64))


def coded(code):
    return Fingerprint(code_keys(code), code)


def two(seen, part, **given):
    """Row 0 and 1 share a key and are 0.95 alike; row 2 and 3 share one and are not alike."""
    prints = [keyed(1, 2), keyed(1, 3), keyed(4, 9), keyed(5, 9)]
    return seen(part, "abcd", prints=prints, values=[0.0, 0.05, 1.0, 3.0], **given)


def test_a_modality_without_fingerprints_is_said_not_to_be_looked_at(plan, part, manifest, seen):
    (check,) = check_near(plan(), manifest(SPLITS), seen(part(), "abcd"))
    assert (check.found, check.verdict) == (0, "note")
    assert "not looked for" in check.remark


def test_looking_can_be_switched_off(plan, part, manifest, seen):
    one = part()
    (check,) = check_near(plan(near="off"), manifest(SPLITS), two(seen, one))
    assert "leakage.near: off" in check.remark
    assert one.modality.compared == 0


def test_what_shares_a_key_is_measured_and_what_is_alike_is_kept(plan, part, manifest, seen):
    one = part()
    check = check_near(plan(), manifest(SPLITS), two(seen, one))[0]
    assert (check.verdict, check.found) == ("flag", 1)
    assert [(p.a, p.b, p.likeness) for p in check.pairs] == [(0, 1, pytest.approx(0.95))]
    assert one.modality.compared == 2


@pytest.mark.parametrize(
    ("settings", "repeats", "verdict"),
    [({}, False, "flag"), ({}, True, "note"), ({"near": "refuse"}, True, "refuse"),
     ({"strict": True}, False, "refuse")],
)  # fmt: skip
def test_what_a_near_copy_costs(plan, part, manifest, seen, settings, repeats, verdict):
    one = two(seen, part(repeats=repeats))
    assert check_near(plan(**settings), manifest(SPLITS), one)[0].verdict == verdict


def test_near_copies_of_one_split_are_named_apart_and_only_among_files(plan, part, manifest, seen):
    rows = manifest(("train",) * 4)
    across, inside = check_near(plan(), rows, two(seen, part()))
    assert (across.found, inside.found, inside.verdict) == (0, 1, "flag")
    texts = part(cell="either")
    (across,) = check_near(plan(), rows, two(seen, texts))
    assert (across.found, texts.modality.compared) == (0, 0)


def test_rows_of_one_group_are_no_leak(plan, part, manifest, seen):
    one = part()
    check = check_near(plan(), manifest(("train",) * 4, "aabb"), two(seen, one))[0]
    assert (check.found, one.modality.compared) == (0, 0)


def test_equal_contents_are_not_measured_again(part, manifest, seen):
    one = part()
    same = seen(one, "aaaa", prints=[keyed(1, 2)] * 4)
    assert near_pairs(same, manifest(SPLITS)) == ([], 0)
    assert one.modality.compared == 0


def test_codes_more_than_four_bits_apart_are_passed_over(part, manifest, seen):
    one = part()
    near_pairs(seen(one, "ab", prints=[coded(0), coded(0b11111)]), manifest(SPLITS[:2]))
    assert one.modality.compared == 0
    near_pairs(seen(one, "ab", prints=[coded(0), coded(0b1111)]), manifest(SPLITS[:2]))
    assert one.modality.compared == 1


def test_planted_copies_among_many_strangers_are_all_found(part, manifest, seen):
    rng = np.random.default_rng(0)
    count, planted = 2000, 50
    codes = rng.integers(0, 2**64, count, dtype=np.uint64).tolist()
    for n in range(planted):
        codes[count - 1 - n] = codes[n] ^ sum(1 << int(b) for b in rng.choice(64, 4, replace=False))
    values = [float(10 * n) for n in range(count)]
    for n in range(planted):
        values[count - 1 - n] = values[n] + 0.01
    rows = manifest(("train",) * (count // 2) + ("test",) * (count // 2))
    one = part()
    digests = [str(n) for n in range(count)]
    found, _ = near_pairs(seen(one, digests, prints=list(map(coded, codes)), values=values), rows)
    assert [(p.a, p.b) for p in found] == [(n, count - 1 - n) for n in range(planted)]
    assert one.modality.compared < 2 * planted


@pytest.mark.parametrize("count", [400, 800, 1600])
def test_twice_the_samples_cost_twice_the_work_even_when_all_are_alike(part, manifest, seen, count):
    """Comparing all with all would quadruple it."""
    one = part()
    prints = [keyed(1, 2, 3)] * count
    everyone = seen(one, [str(n) for n in range(count)], prints=prints)
    (a, _), _ = candidates(everyone.prints)
    assert len(a) <= 3 * REACH * count
    found, crowded = near_pairs(everyone, manifest(("train", "test") * (count // 2)))
    assert len(found) == one.modality.compared <= 2 * MEASURED * count
    assert one.modality.compared >= count
    assert crowded >= 0
