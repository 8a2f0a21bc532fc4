"""Vectors of a stranger: what has no direction is refused, what is not of length one is asked about."""

import numpy as np
import pytest

from pipelines.jobs.arrays import open_matrix
from pipelines.jobs.lengths import check_features, check_vectors, lay_out, lies_ready
from workbench.errors import Refusal

IDS = ("b", "a", "c")
UNIT = np.eye(3, dtype=np.float32)


def matrix(folder, values):
    np.save(folder / "v.npy", values)
    return open_matrix(folder, "v.npy", default="vectors")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_are_refused_with_their_ids(tmp_path, bad):
    values = UNIT.astype(np.float64)
    values[1, 2] = bad
    for check in (check_features, lambda m, i: check_vectors(m, i, normalise=True)):
        with pytest.raises(Refusal, match=r"E-EMB-008 v.npy: numbers has 1 of 3.*\['a'\]"):
            check(matrix(tmp_path, values), IDS)


@pytest.mark.parametrize("normalise", [True, False])
def test_a_vector_without_direction_is_always_refused(tmp_path, normalise):
    values = UNIT.copy()
    values[2] = 0
    with pytest.raises(Refusal, match=r"E-EMB-009 .*1 of 3 bad rows, first ids \['c'\]"):
        check_vectors(matrix(tmp_path, values), IDS, normalise=normalise)


def test_other_lengths_are_refused_unless_asked_for(tmp_path):
    found = matrix(tmp_path, UNIT * 3)
    with pytest.raises(Refusal, match=r"3 of 3 rows of length 3 to 3.*normalise: true"):
        check_vectors(found, IDS, normalise=False)
    assert check_vectors(found, IDS, normalise=True).furthest == 2


def test_vectors_rounded_to_half_precision_are_made_exact(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.standard_normal((50, 64))
    values = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)
    ids = tuple(f"{n:02d}" for n in range(50))
    found = matrix(tmp_path, values)
    checked = check_vectors(found, ids, normalise=False)
    assert not lies_ready(found, ids, checked)
    lay_out(found, ids, tmp_path / "laid.npy", unit=True)
    laid = np.load(tmp_path / "laid.npy")
    assert laid.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(laid, axis=1), 1, atol=1e-6)


def test_rows_are_laid_out_by_id_and_nothing_is_left_beside(tmp_path):
    lay_out(matrix(tmp_path, UNIT * 2), IDS, tmp_path / "out" / "v.npy", unit=True)
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "v.npy"), UNIT[[1, 0, 2]])
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["v.npy"]


@pytest.mark.parametrize(
    ("ids", "values", "ready"),
    [(("a", "b", "c"), UNIT, True), (IDS, UNIT, False), (("a", "b", "c"), UNIT.astype("f8"), False),
     (("a", "b", "c"), np.asfortranarray(UNIT * 1.0001), False)],
)  # fmt: skip
def test_only_sorted_float32_of_length_one_is_mapped_where_it_lies(tmp_path, ids, values, ready):
    found = matrix(tmp_path, values)
    assert lies_ready(found, ids, check_vectors(found, ids, normalise=False)) is ready
