"""Comparisons of models: refused over other rows, paired, and one family under Holm."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import CLASSES, make_space

from eval.compare import Contest, Entrant, differences, standings
from eval.measures import measures_of
from eval.task import Context
from eval.zero_shot import ZeroShot
from workbench.errors import Refusal

CONTEST = Contest(seed=3, replicates=200, permutations=500)
PROMPTS = {"classes": {c: f"class {c}" for c in CLASSES}, "templates": ["{}"]}


def entrant(name, space, label="finding"):
    labels = "single" if label == "finding" else "multi"
    options = ZeroShot.options(query="ecg", label=label, labels=labels, prompts=PROMPTS)
    result = ZeroShot().run(space, options, Context(1, Path(), 0))
    table, given = result.predictions, {**options.model_dump(), "min_positives": 3}
    return Entrant(name, measures_of("zero_shot", table, given, classes=CLASSES))


def with_noise(amount, base=0.8):
    space = make_space(n=400, noise=base)
    ecg = space.vectors["ecg"]
    values = ecg.values + amount * np.random.default_rng(9).standard_normal(ecg.values.shape)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    other = replace(ecg, values=values.astype(np.float32))
    return replace(space, vectors={**space.vectors, "ecg": other})


def test_other_rows_are_refused_with_how_many():
    space = make_space(n=400)
    less = replace(space.rows, splits=("train", *space.rows.splits[1:-2], "train", "train"))
    with pytest.raises(Refusal, match="2 test rows only in a, 0 only in b"):
        differences([entrant("a", space), entrant("b", replace(space, rows=less))], CONTEST)


def test_other_labels_and_groups_are_refused():
    space = make_space(n=400)
    column = list(space.rows.columns["finding"])
    test = [i for i, split in enumerate(space.rows.splits) if split == "test"]
    column[test[0]] = CLASSES[(CLASSES.index(column[test[0]]) + 1) % 4]
    other = replace(space, rows=replace(space.rows, columns={"finding": column}))
    with pytest.raises(Refusal, match="1 rows with other labels"):
        standings([entrant("a", space), entrant("b", other)], CONTEST)
    groups = tuple(f"other {g}" for g in space.rows.groups)
    other = replace(space, rows=replace(space.rows, groups=groups))
    with pytest.raises(Refusal, match="80 rows of other groups"):
        standings([entrant("a", space), entrant("b", other)], CONTEST)


@pytest.mark.parametrize("label", ["finding", "findings"])
def test_a_model_does_not_differ_from_itself(label):
    one = entrant("a", with_noise(0), label)
    lines = differences([one, replace(one, name="b")], CONTEST)
    assert len(lines) >= 4
    assert all(line["value"] == pytest.approx(0, abs=1e-12) for line in lines)
    assert all(line["p"] == line["p_adjusted"] == 1 for line in lines)


@pytest.mark.parametrize("label", ["finding", "findings"])
def test_a_worse_model_is_told_apart(label):
    one, other = entrant("good", with_noise(0), label), entrant("bad", with_noise(1.5), label)
    board = standings([one, other], CONTEST)
    lines = differences([one, other], CONTEST)
    for line, first, second in zip(lines, board[::2], board[1::2], strict=True):
        assert line["value"] == pytest.approx(second["value"] - first["value"], abs=1e-9)
    main = lines[0]
    assert (main["run"], main["compared_to"]) == ("bad", "good")
    assert main["ci_high"] < 0
    assert main["p"] <= 0.01
    assert main["p"] <= main["p_adjusted"]


def test_pairing_makes_the_interval_narrower_than_the_numbers_own():
    one, other = (entrant(str(noise), with_noise(noise, base=2)) for noise in (0, 0.05))
    alone = standings([one], CONTEST)[0]
    line = differences([one, other], CONTEST)[0]
    assert line["ci_high"] - line["ci_low"] < alone["ci_high"] - alone["ci_low"]


def test_ranks_count_ties_alike():
    one = entrant("a", with_noise(0))
    board = standings([one, replace(one, name="b"), entrant("c", with_noise(1.5))], CONTEST)
    assert [line["rank"] for line in board[:3]] == [1, 1, 3]


def test_swapping_the_models_turns_the_sign_and_keeps_p():
    one, other = entrant("a", with_noise(0)), entrant("b", with_noise(0.2))
    there, back = differences([one, other], CONTEST), differences([other, one], CONTEST)
    for line, turned in zip(there, back, strict=True):
        assert line["value"] == pytest.approx(-turned["value"], abs=1e-12)
        assert line["p"] == turned["p"]
