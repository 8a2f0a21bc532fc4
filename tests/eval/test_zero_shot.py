"""The zero-shot task: refusals, invariances, chance, and numbers recomputed from predictions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import CLASSES, collapse, make_space, shuffle
from pydantic import ValidationError
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from eval.task import Context
from eval.zero_shot import ZeroShot
from workbench.errors import Failure, Refusal

CONTEXT = Context(seed=1, base=Path(), replicates=200)
PROMPTS = {"classes": {c: f"class {c}" for c in CLASSES}, "templates": ["{}", "a {}"]}
SINGLE = ZeroShot.options(query="ecg", label="finding", prompts=PROMPTS)
MULTI = ZeroShot.options(query="ecg", label="findings", prompts=PROMPTS, labels="multi")


def run(space, options=SINGLE):
    return ZeroShot().run(space, options, CONTEXT)


def one(result, metric, **columns):
    wanted = {"metric": metric, **columns}
    (row,) = [r for r in result.rows if all(getattr(r, k) == v for k, v in wanted.items())]
    return row


def test_prompts_and_classes_together_are_refused():
    with pytest.raises(ValidationError, match="either prompts"):
        ZeroShot.options(query="ecg", label="finding")


def test_an_unknown_column_or_modality_is_refused_with_a_suggestion():
    with pytest.raises(Refusal, match="did you mean 'finding"):
        run(make_space(), SINGLE.model_copy(update={"label": "findng"}))
    with pytest.raises(Refusal, match="modality 'oct'"):
        run(make_space(), SINGLE.model_copy(update={"query": "oct"}))


def test_a_prompt_without_vector_is_a_failure():
    with pytest.raises(Failure, match="no vector"):
        run(replace(make_space(), texts={}))


def test_every_text_the_task_needs_is_asked_for():
    texts = ZeroShot().texts(SINGLE, make_space().rows, CONTEXT)
    assert sorted(texts["report"]) == sorted([f"{a}class {c}" for c in CLASSES for a in ("", "a ")])


def test_rows_say_what_the_number_means():
    row = one(run(make_space()), "accuracy", k=1, average="macro")
    assert (row.n, row.n_groups, row.chance, row.split) == (48, 24, 0.25, "test")
    assert row.ci_low < row.value <= row.ci_high
    assert row.prompts.startswith("inline@")
    assert row.config_digest


def test_more_places_than_classes_is_not_defined():
    row = one(run(make_space()), "accuracy", k=5, average="macro")
    assert row.value is None
    assert "4 classes" in row.reason


@pytest.mark.parametrize("options", [SINGLE, MULTI])
def test_a_constant_encoder_scores_exactly_chance(options):
    for row in run(collapse(make_space()), options).rows:
        if row.metric != "majority_share" and row.value is not None:
            assert row.value == pytest.approx(row.chance, abs=1e-12), row.metric


@pytest.mark.parametrize("options", [SINGLE, MULTI])
def test_the_order_of_manifest_rows_changes_nothing(options):
    assert run(make_space(), options) == run(shuffle(make_space()), options)


def test_the_order_of_classes_changes_no_number():
    turned = {**PROMPTS, "classes": dict(reversed(PROMPTS["classes"].items()))}
    other = run(make_space(), SINGLE.model_copy(update={"prompts": turned}))
    for row, twin in zip(run(make_space()).rows, other.rows, strict=True):
        assert row.value == pytest.approx(twin.value, abs=1e-12)


def test_metrics_follow_from_predictions_alone():
    result = run(make_space(noise=1.5))
    table = result.predictions
    macro = one(result, "accuracy", k=1, average="macro").value
    assert macro == pytest.approx(
        balanced_accuracy_score(table["label"], table["prediction"]), abs=1e-12
    )
    result = run(make_space(noise=1.5), MULTI)
    table, scores = result.predictions, np.array(result.predictions["scores"])
    for i, name in enumerate(CLASSES):
        truth = [name in cell.split("|") for cell in table["label"]]
        row = one(result, "auroc", label=f"findings={name}")
        assert row.value == pytest.approx(roc_auc_score(truth, scores[:, i]), abs=1e-12)


def test_rows_without_label_vector_or_class_are_counted():
    space = make_space()
    column = list(space.rows.columns["finding"])
    test = [i for i, split in enumerate(space.rows.splits) if split == "test"]
    column[test[0]], column[test[1]], column[test[2]] = None, "c9", "c1|c2"
    space = replace(space, rows=replace(space.rows, columns={"finding": column}))
    ecg = space.vectors["ecg"]
    keep = [i for i in range(len(ecg.ids)) if i != test[3]]
    part = replace(ecg, ids=tuple(ecg.ids[i] for i in keep), values=ecg.values[keep])
    result = run(replace(space, vectors={**space.vectors, "ecg": part}))
    row = one(result, "accuracy", k=1, average="micro")
    assert row.n == len(test) - 4
    assert row.n_excluded == {
        "absent modality": 1, "label without class": 1, "no label": 1, "several labels": 1,
    }  # fmt: skip
    assert result.predictions["included"].count(False) == 4
    assert list(result.predictions["id"]) == sorted(result.predictions["id"])


def test_too_few_positives_give_no_area():
    row = one(
        run(make_space(), MULTI.model_copy(update={"min_positives": 40})),
        "auroc", label="findings=c0",
    )  # fmt: skip
    assert row.value is None
    assert "40 of each kind needed" in row.reason


def test_an_empty_split_is_not_defined():
    rows = run(make_space(), SINGLE.model_copy(update={"split": "nowhere"})).rows
    assert rows
    assert all(row.value is None and row.reason for row in rows)


@pytest.mark.parametrize("aggregate", ["mean_score", "max_score", "logsumexp"])
def test_every_aggregate_separates_separable_classes(aggregate):
    options = SINGLE.model_copy(update={"aggregate": aggregate})
    row = one(run(make_space(noise=0.1), options), "accuracy", k=1, average="macro")
    assert row.value > 0.95


def test_prompt_sensitivity_brackets_its_median():
    found = run(make_space(noise=1.5)).extras["sensitivity"]
    assert set(found) == {
        "each template alone", "one template left out", "20 draws of half the prompts",
    }  # fmt: skip
    assert all(spread["min"] <= spread["median"] <= spread["max"] for spread in found.values())


def test_lineages_become_classes():
    space = make_space()
    genus = space.rows.columns["finding"]
    order = [None if g == "c3" else "Diptera" for g in genus]
    space = replace(space, rows=replace(space.rows, columns={"genus": genus, "order": order}))
    options = ZeroShot.options(
        query="ecg", label="genus", anchor="report",
        classes={"template": "{order} {genus}", "label": "genus"},
    )  # fmt: skip
    (asked,) = ZeroShot().texts(options, space.rows, CONTEXT).values()
    assert asked == ["Diptera c0", "Diptera c1", "Diptera c2", "c3"]
    given = space.texts["report"]
    texts = {text: given[f"class {text[-2:]}"] for text in asked}
    result = run(replace(space, texts={"report": texts}), options)
    assert one(result, "accuracy", k=1, average="macro").value > 0.8


def test_a_class_may_be_worded_by_its_members():
    space = make_space()
    species = [f"{g} s{i % 2}" for i, g in enumerate(space.rows.columns["finding"])]
    genus = ["c0" if s.startswith("c1") else s[:2] for s in species]
    space = replace(space, rows=replace(space.rows, columns={"genus": genus, "species": species}))
    options = ZeroShot.options(
        query="ecg", label="genus", anchor="report", aggregate="max_score",
        classes={"template": "{genus}", "members": "{species}"},
    )  # fmt: skip
    (asked,) = ZeroShot().texts(options, space.rows, CONTEXT).values()
    assert sorted(asked) == sorted(set(species))
    given = space.texts["report"]
    texts = {text: given[f"class {text[:2]}"] for text in asked}
    result = run(replace(space, texts={"report": texts}), options)
    assert result.extras["prompts"]["c0"] == ["c0 s0", "c0 s1", "c1 s0", "c1 s1"]
    assert "c1" not in result.extras["classes"]
    assert one(result, "accuracy", k=1, average="macro").value > 0.8
    missing = options.model_copy(update={"classes": options.classes.model_copy(
        update={"members": "{specie}"})})  # fmt: skip
    with pytest.raises(Refusal, match="specie"):
        ZeroShot().texts(missing, space.rows, CONTEXT)


EXAMPLES = ZeroShot.options(
    query="ecg", label="finding", anchors={"modality": "report", "from": "train"}
)
PAIRS = {**PROMPTS, "negative": ["no {}"]}
PAIRED = ZeroShot.options(query="ecg", label="findings", prompts=PAIRS, labels="multi")


def with_negations(space):
    given = dict(space.texts["report"])
    given |= {f"no {c}": -given[f"class {c}"] for c in CLASSES}
    given |= {f"no class {c}": -given[f"class {c}"] for c in CLASSES}
    return replace(space, texts={"report": given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"anchors": {"modality": "report", "from": "test"}}, "its own example"),
        ({"prompts": PROMPTS, "aggregate": "knn"}, "anchors that are examples"),
        (
            {"prompts": PROMPTS, "anchors": {"modality": "report", "from": "train"}},
            "either prompts",
        ),
        ({"anchors": {"modality": "report"}}, "from"),
        ({"prompts": PROMPTS, "temperature": 0}, "greater than 0"),
    ],
)
def test_anchors_that_cannot_be_asked_are_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        ZeroShot.options(query="ecg", label="finding", **given)


def test_a_probability_needs_the_negation():
    options = MULTI.model_copy(update={"temperature": 0.1})
    with pytest.raises(Refusal, match="negative"):
        run(make_space(), options)


def test_examples_stand_for_classes_without_any_text():
    assert EXAMPLES.anchor == "report"
    assert type(EXAMPLES).model_validate(EXAMPLES.model_dump(mode="json")) == EXAMPLES
    assert ZeroShot().texts(EXAMPLES, make_space().rows, CONTEXT) == {}
    row = one(run(make_space(noise=0.2), EXAMPLES), "accuracy", k=1, average="macro")
    assert row.value > 0.9
    assert row.gallery == "report"
    assert row.prompts.startswith("report from train@")
    assert "anchors: examples, mean_embedding" in row.flags


def test_the_nearest_example_names_the_class_as_one_neighbour_does():
    space = make_space(noise=1.2)
    options = EXAMPLES.model_copy(update={"aggregate": "knn"})
    result = run(space, options)
    query, gallery = (space.vectors[name].values.astype(float) for name in ("ecg", "report"))
    train, test = (
        [i for i, split in enumerate(space.rows.splits) if split == name]
        for name in ("train", "test")
    )
    best = (query[test] @ gallery[train].T).argmax(axis=1)
    truth = space.rows.columns["finding"]
    assert result.predictions["prediction"] == [truth[train[i]] for i in best]
    (spread,) = result.extras["sensitivity"].values()
    assert spread["min"] < spread["max"]


@pytest.mark.parametrize("aggregate", ["mean_embedding", "mean_score", "logsumexp", "knn"])
def test_examples_of_a_constant_encoder_score_chance(aggregate):
    options = EXAMPLES.model_copy(update={"aggregate": aggregate, "neighbours": 3})
    for row in run(collapse(make_space()), options).rows:
        if row.metric != "majority_share" and row.value is not None:
            assert row.value == pytest.approx(row.chance, abs=1e-12), row.metric


def test_a_pair_scores_its_margin_and_the_softmax_of_the_two():
    space = with_negations(make_space(noise=1.0))
    table = run(space, PAIRED.model_copy(update={"temperature": 0.2})).predictions
    bare = run(space, PAIRED).predictions
    assert "probability" not in bare
    scores = np.array(bare["scores"])
    plus = ZeroShot().run(space, MULTI, CONTEXT).predictions
    minus = scores - np.array(plus["scores"])
    pairs = np.exp(np.stack([np.array(plus["scores"]), -minus]) / 0.2)
    assert np.array(table["probability"]) == pytest.approx(pairs[0] / pairs.sum(0), abs=1e-12)


def test_single_labels_have_the_softmax_over_classes():
    table = run(make_space(), SINGLE.model_copy(update={"temperature": 0.5})).predictions
    powers = np.exp(np.array(table["scores"]) / 0.5)
    expected = powers / powers.sum(axis=1, keepdims=True)
    assert np.array(table["probability"]) == pytest.approx(expected, abs=1e-12)


def test_polarity_follows_from_predictions_alone():
    result = run(with_negations(make_space(noise=1.0)), PAIRED)
    table, scores = result.predictions, np.array(result.predictions["scores"])
    truth = np.array([[c in cell.split("|") for c in CLASSES] for cell in table["label"]])
    right = (scores > 0) == truth
    overall = [r for r in result.rows if r.metric == "polarity" and r.label == "findings"]
    assert overall[0].value == pytest.approx(right.mean(), abs=1e-12)
    assert one(result, "polarity_present").value == pytest.approx(right[truth].mean(), abs=1e-12)
    assert one(result, "polarity_absent").value == pytest.approx(right[~truth].mean(), abs=1e-12)
    row = one(result, "polarity", label="findings=c2")
    assert row.value == pytest.approx(right[:, 2].mean(), abs=1e-12)
    assert not [r for r in run(make_space(), MULTI).rows if "polarity" in r.metric]


def test_how_doubt_was_read_stands_in_the_rows():
    space = make_space()
    column = list(space.rows.columns["findings"])
    test = [i for i, split in enumerate(space.rows.splits) if split == "test"]
    column[test[0]] = "c1?"
    space = replace(space, rows=replace(space.rows, columns={"findings": column}))
    for policy in ("exclude", "positive", "negative"):
        options = MULTI.model_copy(update={"uncertain": policy})
        assert all(f"uncertain labels: {policy}" in r.flags for r in run(space, options).rows)
    n = [one(run(space, MULTI), "auroc", label=f"findings=c{i}").n for i in range(4)]
    assert n == [48, 47, 48, 48]


def test_every_template_is_tried_alone_and_left_out():
    extras = run(make_space(noise=1.5)).extras
    assert set(extras["templates"]) == set(extras["without_template"]) == {"{}", "a {}"}
    assert extras["templates"]["{}"] == extras["without_template"]["a {}"]
