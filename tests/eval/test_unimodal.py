"""What several modalities gain: no gain over oneself, and nothing where nothing is measured."""

from pathlib import Path

import pytest
from example_space import make_space

from eval.retrieval import Retrieval
from eval.task import Context
from eval.unimodal import unimodal

CONTEXT = Context(seed=1, base=Path(), replicates=50)


def run(split="test", **changes):
    space = make_space(noise=1.0)
    options = Retrieval.options(query="ecg", gallery="report", split=split, k=(1,), **changes)
    return unimodal(
        ("retrieval", Retrieval()), space, options, CONTEXT,
        singles={"ecg": "ecg", "twin": "ecg"}, permutations=200,
    )  # fmt: skip


def test_an_empty_split_has_no_rows():
    assert run("nowhere") == []


def test_a_model_gains_nothing_over_itself():
    rows = run()
    gains = [row for row in rows if row.compared_to == "control:unimodal"]
    assert {row.metric for row in gains} == {"hit_gain", "mrr_gain"}
    assert all(row.value == pytest.approx(0, abs=1e-12) and row.p == 1 for row in gains)
    assert {row.model for row in rows} == {"control:unimodal", "trained"}
    assert {row.query for row in rows} == {"ecg"}


def test_without_validation_the_choice_says_that_it_favours_the_control():
    assert any("favours it" in flag for flag in run("val")[0].flags)
