"""Blind spaces: chance to the last digit, priors alone, and nothing else changed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import CLASSES, make_space

from eval.blind import can_have_prior, constant, one_way, text_prior
from eval.diagnostics import Diagnostics
from eval.knn import Knn
from eval.probe import Probe
from eval.retrieval import Retrieval
from eval.scores import side_score
from eval.scores.scorer import Scorer
from eval.subgroups import Subgroups
from eval.task import Context
from eval.zero_shot import ZeroShot

CONTEXT = Context(seed=1, base=Path(), replicates=0)
PROMPTS = {"classes": {c: f"class {c}" for c in CLASSES}, "templates": ["{}", "a {}"]}
ZERO = ZeroShot.options(query="ecg", label="finding", prompts=PROMPTS)
PAIR = Retrieval.options(query="ecg", gallery="report", k=(1, 5))
LABEL = Retrieval.options(query="ecg", gallery="report", relation="same_label", label="finding")


def with_tokens(space):
    """The same space under late interaction, three tokens an item, the last one hidden."""
    rng = np.random.default_rng(0)
    vectors = {}
    for name, given in space.vectors.items():
        tokens = given.values[:, None, :] + 0.5 * rng.standard_normal((len(given.ids), 3, 12))
        tokens /= np.linalg.norm(tokens, axis=2, keepdims=True)
        valid = np.tile([True, True, False], (len(given.ids), 1))
        vectors[name] = replace(given, tokens=tokens.astype(np.float16), token_valid=valid)
    return replace(space, vectors=vectors, score="late", scorer=Scorer(side_score("late", 12)))


def test_a_task_without_a_question_has_no_prior():
    space = make_space()
    assert can_have_prior(space, ZERO)
    assert can_have_prior(space, PAIR)
    for options in (
        Diagnostics.options(query="ecg"), Retrieval.options(query="ecg", gallery="ecg"),
        Probe.options(query="oct", label="finding"),
        Subgroups.options(of={"task": "probe", "query": "ecg", "label": "finding"}, columns=["a"]),
    ):  # fmt: skip
        assert not can_have_prior(space, options)


@pytest.mark.parametrize("options", [PAIR, LABEL])
def test_every_number_of_a_constant_space_is_its_chance(options):
    rows = Retrieval().run(constant(make_space(), 1), options, CONTEXT).rows
    assert len(rows) > 20
    for row in rows:
        assert row.model == "control:constant"
        if row.value is not None and not row.metric.startswith("hit_"):
            assert row.value == pytest.approx(row.chance, abs=1e-12), row.metric


def test_a_constant_space_is_at_chance_under_a_score_of_tokens_too():
    for row in Retrieval().run(constant(with_tokens(make_space()), 1), PAIR, CONTEXT).rows:
        if row.value is not None and not row.metric.startswith("hit_"):
            assert row.value == pytest.approx(row.chance, abs=1e-12), row.metric


def test_a_constant_space_names_classes_at_chance():
    for row in ZeroShot().run(constant(make_space(), 1), ZERO, CONTEXT).rows:
        if row.value is not None and row.metric != "majority_share":
            assert row.value == pytest.approx(row.chance, abs=1e-12), row.metric


def test_a_constant_space_keeps_whole_groups_of_every_split():
    space = make_space()
    small = constant(space, 1, most=5)
    assert len(small.rows.ids) == 3 * 5 * 2
    assert set(small.rows.splits) == {"train", "val", "test"}
    assert small.vectors["ecg"].ids == tuple(sorted(small.rows.ids))
    assert small.rows.ids == constant(space, 1, most=5).rows.ids
    assert small.rows.ids != constant(space, 2, most=5).rows.ids


def test_queries_become_their_mean_and_nothing_else_changes():
    space = make_space()
    blind = text_prior(space, "ecg", "test")
    test = [i for i, split in enumerate(space.rows.splits) if split == "test"]
    rest = [i for i in range(240) if i not in set(test)]
    values = blind.vectors["ecg"].values
    assert len(np.unique(values[test], axis=0)) == 1
    assert np.linalg.norm(values[test[0]]) == pytest.approx(1, abs=1e-6)
    assert (values[rest] == space.vectors["ecg"].values[rest]).all()
    assert blind.vectors["report"] is space.vectors["report"]
    assert blind.texts is space.texts


@pytest.mark.parametrize(
    ("task", "options"),
    [(ZeroShot, ZERO), (Probe, Probe.options(query="ecg", label="finding", c=(1.0,))),
     (Knn, Knn.options(query="ecg", label="finding"))],
)  # fmt: skip
def test_priors_alone_name_one_class_for_all(task, options):
    rows = task().run(text_prior(make_space(), "ecg", "test"), options, CONTEXT).rows
    found = [r for r in rows if (r.metric, r.average) == ("accuracy", "macro") and r.value]
    assert found
    assert all(row.value == pytest.approx(0.25, abs=1e-12) for row in found if row.k in (1, 20))


def test_every_query_of_a_prior_finds_the_same_items():
    for space in (make_space(), with_tokens(make_space())):
        blind = text_prior(space, "ecg", "test")
        one, _ = one_way(PAIR)
        table = Retrieval().run(blind, one, CONTEXT).predictions
        assert len({tuple(found) for found in table["top_ids"]}) == 1


def test_an_empty_split_changes_nothing():
    space = make_space()
    blind = text_prior(space, "ecg", "nowhere")
    assert (blind.vectors["ecg"].values == space.vectors["ecg"].values).all()


def test_directions_are_asked_one_by_one():
    there, back = one_way(PAIR)
    assert (there.query, back.query) == ("ecg", "report")
    assert not there.both_directions
    assert one_way(ZERO) == [ZERO]
    assert one_way(there) == [there]
