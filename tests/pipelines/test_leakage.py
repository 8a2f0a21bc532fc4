"""The audit: planted copies across splits are found, refused where files are, flagged where texts are."""

from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.decode import Decoded
from pipelines.leakage import audit
from workbench.errors import Refusal
from workbench.manifest import Manifest

SPLITS = ("train", "train", "val", "test", "test")


def decoded(digests, rows=None):
    """Return decoded samples of which only the digests matter."""
    rows = np.arange(len(digests)) if rows is None else np.array(rows)
    return Decoded(None, rows, tuple(digests), ((),) * len(digests), ())


def plan(*, cell="path", duplicates="refuse", key="ecg"):
    part = SimpleNamespace(modality=SimpleNamespace(spec=SimpleNamespace(cell=cell)))
    config = SimpleNamespace(manifest=SimpleNamespace(duplicates=duplicates))
    return SimpleNamespace(parts={key: part}, pipeline=config)


@pytest.fixture
def manifest():
    ids = tuple(f"r{n}" for n in range(5))
    return Manifest("rows.csv", ids, tuple("abcde"), SPLITS, {})


def test_copies_of_a_file_in_two_splits_are_refused_by_name(manifest):
    with pytest.raises(Refusal, match=r"E-MAN-004 rows.csv: ecg contents.*\('r1', 'r3'\)"):
        audit(plan(), manifest, {"ecg": decoded("abcbd")})


def test_they_are_counted_where_the_file_says_flag(manifest):
    found = audit(plan(duplicates="flag"), manifest, {"ecg": decoded("abcbd")})
    assert found["content"]["ecg"]["shared"] == 1
    assert found["content"]["ecg"]["first"] == [("r1", "r3")]


@pytest.mark.parametrize("cell", ["text", "either"])
def test_equal_texts_are_flagged_and_never_refused(manifest, cell):
    found = audit(plan(cell=cell), manifest, {"ecg": decoded("aabab")})
    assert found["content"]["ecg"]["shared"] == 2


def test_copies_inside_one_split_are_no_leak(manifest):
    found = audit(plan(), manifest, {"ecg": decoded("aabcc")})
    assert found["content"]["ecg"]["shared"] == 0
    assert found["content"]["ecg"]["first"] == []


def test_a_content_that_lies_in_three_splits_counts_once(manifest):
    found = audit(plan(duplicates="flag"), manifest, {"ecg": decoded("abaac")})
    assert found["content"]["ecg"]["shared"] == 1
    assert found["content"]["ecg"]["first"] == [("r0", "r2")]


def test_rows_without_a_sample_are_passed_over(manifest):
    found = audit(plan(), manifest, {"ecg": decoded("aa", rows=[0, 1])})
    assert found["content"]["ecg"]["shared"] == 0
    with pytest.raises(Refusal, match=r"\('r0', 'r4'\)"):
        audit(plan(), manifest, {"ecg": decoded("aa", rows=[0, 4])})


def test_a_copy_whose_first_two_samples_share_a_split_is_still_found(manifest):
    """Two copies in train come first; the one in test must not hide behind them."""
    with pytest.raises(Refusal, match=r"1 equal files"):
        audit(plan(), manifest, {"ecg": decoded("aabca")})


def test_the_first_pairs_are_listed_and_the_rest_counted():
    count = 60
    ids = tuple(f"r{n:02}" for n in range(count))
    splits = ("train",) * (count // 2) + ("test",) * (count // 2)
    table = Manifest("m", ids, ids, splits, {})
    digests = [str(n % (count // 2)) for n in range(count)]
    found = audit(plan(duplicates="flag"), table, {"ecg": decoded(digests)})
    assert found["content"]["ecg"]["shared"] == 30
    assert len(found["content"]["ecg"]["first"]) == 20
