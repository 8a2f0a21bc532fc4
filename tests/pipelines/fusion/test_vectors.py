"""Stored vectors of fused names and of every subset."""

import numpy as np
import pytest
import torch

from eval.space import Vectors
from pipelines.fusion import build_fusions, vectors
from pipelines.fusion.vectors import fused_vectors
from workbench.fuse_config import FuseConfig


def stored(ids, seed, dim=4, digests=True):
    values = np.random.default_rng(seed).standard_normal((len(ids), dim)).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return Vectors(tuple(ids), values, None, tuple(f"d-{i}" for i in ids) if digests else None)


@pytest.fixture
def given():
    return {"a": stored("qrs", 0), "b": stored("rst", 1), "c": stored("", 2)}


def fused(given, of=("a", "b", "c"), **options):
    return fused_vectors(
        build_fusions({"p": FuseConfig(of=of, **options)}, 4, seed=0), given
    )  # fmt: skip


def test_the_whole_has_every_row_and_a_subset_those_that_hold_all_of_it(given):
    found = fused(given)
    assert {name: "".join(v.ids) for name, v in found.items()} == {
        "p": "qrst", "p@a": "qrs", "p@b": "rst", "p@c": "", "p@a+b": "rs", "p@a+c": "",
        "p@b+c": "", "p@a+b+c": "",
    }  # fmt: skip
    assert found["p@c"].values.shape == (0, 4)


def test_vectors_are_the_mean_of_what_a_row_holds(given):
    found = fused(given)
    a, b = given["a"].values, given["b"].values
    both = a[1] + b[0]
    np.testing.assert_allclose(found["p"].values[1], both / np.linalg.norm(both), atol=1e-6)
    np.testing.assert_allclose(found["p"].values[0], a[0], atol=1e-6)
    np.testing.assert_allclose(found["p"].values[3], b[2], atol=1e-6)
    np.testing.assert_allclose(found["p@a"].values, a, atol=1e-6)
    np.testing.assert_allclose(found["p@a+b"].values[0], found["p"].values[1], atol=1e-6)


def test_a_modality_without_any_vector_is_absent_whatever_its_width(given):
    none = Vectors((), np.zeros((0, 1), np.float32), None, ())
    found = fused({**given, "c": none})
    np.testing.assert_array_equal(found["p"].values, fused(given)["p"].values)


def test_subsets_can_be_left_out(given):
    assert set(fused(given, subsets=False)) == {"p"}


def test_the_size_of_batches_changes_nothing(given, monkeypatch):
    whole = fused(given, how="stochastic", heads=2)
    monkeypatch.setattr(vectors, "BATCH", 2)
    for name, found in fused(given, how="stochastic", heads=2).items():
        np.testing.assert_allclose(found.values, whole[name].values, atol=1e-6)


def test_equal_contents_have_equal_digests_and_another_part_makes_another(given):
    twins = Vectors(given["a"].ids, given["a"].values, None, ("x", "x", "y"))
    alone = fused({**given, "a": twins, "b": stored("", 1)})["p"].digests
    assert alone[0] == alone[1] != alone[2]
    beside = fused({**given, "a": twins})["p"].digests
    assert len(set(beside)) == 4
    assert fused({**given, "a": stored("qrs", 0, digests=False)})["p"].digests is None


def test_nothing_is_left_out_and_no_statistic_moves(given):
    fusion = build_fusions({"p": FuseConfig(of=("a", "b"), how="agreement", drop=0.9)}, 4, seed=0)
    fusion["p"].train()
    state = {k: v.clone() for k, v in fusion["p"].state_dict().items()}
    one, two = (fused_vectors(fusion, given)["p"].values for _ in range(2))
    assert np.array_equal(one, two)
    assert all(torch.equal(v, state[k]) for k, v in fusion["p"].state_dict().items())
