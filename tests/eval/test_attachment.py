"""How well partners fit: the closed form equals the table, and plants keep their promises."""

import numpy as np
import pytest

from eval.attachment import fit_of_vectors, plant


def unit(n, width=8, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, width))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_nothing_to_compare_with_gives_nothing():
    assert len(fit_of_vectors(unit(0), unit(0))) == 0
    assert fit_of_vectors(np.tile(unit(1), (5, 1)), np.tile(unit(1), (5, 1))).tolist() == [0] * 5


def test_one_patient_or_one_text_cannot_be_swapped():
    for groups, contents in ((["p"] * 8, list("abcdefgh")), (list("abcdefgh"), ["same"] * 8)):
        partner, wrong = plant(groups, contents, 0.5, seed=1)
        assert not wrong.any()
        assert partner.tolist() == list(range(8))
    assert len(plant([], [], 0.5, seed=1)[0]) == 0


def test_the_closed_form_equals_the_table():
    x, y = unit(50), unit(50, seed=1)
    table = x @ y.T
    own = np.diag(table)
    expected = (
        (own - table.mean(1)) / table.std(1) + (own - table.mean(0)) / table.std(0)
    ) / 2  # fmt: skip
    assert fit_of_vectors(x, y) == pytest.approx(expected, abs=1e-12)


def test_swaps_go_both_ways_across_groups():
    groups = [f"p{i // 3}" for i in range(300)]
    contents = [f"t{i % 7}" for i in range(300)]
    partner, wrong = plant(groups, contents, 0.05, seed=1)
    assert wrong.sum() == 16
    for i in np.flatnonzero(wrong):
        assert partner[partner[i]] == i
        assert groups[i] != groups[partner[i]]
        assert contents[i] != contents[partner[i]]
    assert (partner[~wrong] == np.flatnonzero(~wrong)).all()


def test_the_seed_decides_the_plant():
    groups, contents = [f"p{i}" for i in range(100)], [f"t{i}" for i in range(100)]
    found = [plant(groups, contents, 0.1, seed=seed)[0].tolist() for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
