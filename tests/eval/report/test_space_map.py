"""Tests of the two-dimensional map of the space."""

from __future__ import annotations

import numpy as np
import pytest

from eval.report.space_map import map_of_space
from eval.space import Rows, Space, Vectors


def space(n: int, turn: bool = False) -> Space:
    rng = np.random.default_rng(3)
    values = rng.standard_normal((n, 8)) * np.array([5, 3, 1, 1, 1, 1, 1, 1])
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    ids = tuple(f"r{i:05d}" for i in range(n))
    vectors = Vectors(ids, (-values if turn else values).astype(np.float32))
    splits = tuple("test" if i % 2 else "train" for i in range(n))
    rows = Rows(ids, ids, splits, {"kind": ["a" if i % 3 else None for i in range(n)]})
    return Space("trained", {"ecg": vectors, "report": vectors}, rows)


def test_an_empty_space_has_an_empty_map() -> None:
    assert map_of_space(Space("trained", {}, Rows((), (), (), {})))["points"] == []


def test_labels_move_no_point() -> None:
    with_label, without = map_of_space(space(30), "kind"), map_of_space(space(30))
    assert [(p["x"], p["y"]) for p in with_label["points"]] == [
        (p["x"], p["y"]) for p in without["points"]
    ]
    assert {p["label"] for p in with_label["points"]} == {"a", ""}


def test_drawn_rows_keep_all_their_modalities_and_follow_the_seed() -> None:
    found = map_of_space(space(400), most=101, seed=5)
    ids = [p["id"] for p in found["points"]]
    assert len(ids) == 100
    assert all(ids.count(row_id) == 2 for row_id in ids)
    assert found == map_of_space(space(400), most=101, seed=5)
    assert ids != [p["id"] for p in map_of_space(space(400), most=101, seed=6)["points"]]
    assert found["total"] == 800


def test_only_rows_of_the_split_are_shown() -> None:
    assert len(map_of_space(space(40), split="test")["points"]) == 40


def test_explained_shares_equal_those_of_the_covariance() -> None:
    values = space(200).vectors["ecg"].values.astype(np.float64)
    spectrum = np.linalg.eigvalsh(np.cov(values.T))[::-1]
    wanted = (spectrum / spectrum.sum())[:2]
    assert map_of_space(space(200))["explained"] == pytest.approx(wanted, abs=1e-4)
