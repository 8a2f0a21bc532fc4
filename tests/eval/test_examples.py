"""Class scores by examples: what counts as one, every way to join them, and their name."""

from dataclasses import replace

import numpy as np
import pytest
from example_space import make_space, shuffle

from eval.examples import ExampleAnchors, Join, examples_of
from workbench.errors import Refusal

ANCHORS = ExampleAnchors(modality="report", split="train")
RULES = ("mean_embedding", "mean_score", "max_score", "logsumexp", "knn")


def given():
    return examples_of(make_space(), ANCHORS, "finding")


def test_an_unknown_modality_or_column_is_refused():
    with pytest.raises(Refusal, match="modality 'dna'"):
        examples_of(make_space(), ExampleAnchors(modality="dna", split="train"), "finding")
    with pytest.raises(Refusal, match="column 'age'"):
        examples_of(make_space(), ANCHORS, "age")


def test_rows_without_one_sure_label_are_no_examples():
    space = make_space()
    column = list(space.rows.columns["finding"])
    train = [i for i, split in enumerate(space.rows.splits) if split == "train"]
    column[train[0]], column[train[1]], column[train[2]] = None, "c0|c1", "c0?"
    rows = replace(space.rows, columns={"finding": column})
    found = examples_of(replace(space, rows=rows), ANCHORS, "finding")
    used = {found.ids[i] for mine in found.members for i in mine}
    assert not used & {space.rows.ids[i] for i in train[:3]}
    assert found.classes == ("c0", "c1", "c2", "c3")


def test_a_row_of_two_labels_is_an_example_of_both():
    found = examples_of(make_space(), ANCHORS, "findings", labels="multi")
    assert sum(map(len, found.members)) > len(found.ids)


@pytest.mark.parametrize("rule", RULES)
def test_scores_are_what_the_rule_says(rule):
    examples, query = given(), make_space().vectors["ecg"].values[:30]
    ours = examples.scores(query, Join(rule, tau=0.3, k=3))
    for number, mine in enumerate(examples.members):
        vectors = examples.vectors[mine].astype(float)
        cosines = query.astype(float) @ vectors.T
        mean = vectors.mean(axis=0)
        expected = {
            "mean_embedding": query @ mean / np.linalg.norm(mean),
            "mean_score": cosines.mean(axis=1),
            "max_score": cosines.max(axis=1),
            "logsumexp": 0.3 * np.log(np.exp(cosines / 0.3).mean(axis=1)),
            "knn": np.sort(cosines, axis=1)[:, -3:].mean(axis=1),
        }[rule]
        assert ours[:, number] == pytest.approx(expected, abs=1e-6)


def test_more_neighbours_than_examples_are_all_of_them():
    examples, query = given(), make_space().vectors["ecg"].values[:5]
    all_of_them = examples.scores(query, Join("knn", k=10_000))
    assert all_of_them == pytest.approx(examples.scores(query, Join("mean_score")), abs=1e-12)


def test_the_digest_tells_other_examples_apart():
    space = make_space()
    assert given().label == examples_of(shuffle(space), ANCHORS, "finding").label
    other = examples_of(space, ExampleAnchors(modality="report", split="val"), "finding")
    assert given().label.partition("@")[0] == "report from train"
    assert other.label.partition("@")[2] != given().label.partition("@")[2]


def test_half_of_a_class_does_not_depend_on_other_classes():
    whole = given()
    fewer = replace(whole, classes=whole.classes[:2], members=whole.members[:2])
    for one, other in zip(fewer.half(3).members, whole.half(3).members, strict=False):
        assert one.tolist() == other.tolist()
    assert [len(m) for m in whole.half(0).members] == [(len(m) + 1) // 2 for m in whole.members]
