"""The few-shot task: refusals, chance, the curve, and numbers recomputed from predictions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import CLASSES, collapse, make_space, shuffle
from pydantic import ValidationError
from sklearn.metrics import balanced_accuracy_score

from eval.few_shot import FewShot
from eval.task import Context
from eval.zero_shot import ZeroShot
from workbench.errors import Refusal

CONTEXT = Context(seed=1, base=Path(), replicates=40)
PROMPTS = {"classes": {c: f"class {c}" for c in CLASSES}, "templates": ["{}", "a {}"]}
MEAN = FewShot.options(query="ecg", label="finding", heads=("mean",), shots=(1, 4), draws=5)
FULL = FewShot.options(
    query="ecg", label="finding", heads=("mean", "probe", "zero_shot"), shots=(2,), draws=2,
    prompts=PROMPTS, anchor="report", c=(0.1, 1.0), by=("values", "features"),
)  # fmt: skip


def run(space, options=MEAN):
    return FewShot().run(space, options, CONTEXT)


def one(result, pool, k, metric="accuracy", average="macro"):
    (row,) = [
        r for r in result.rows
        if (r.metric, r.average, r.pool, r.k) == (metric, average, pool, k)
    ]  # fmt: skip
    return row


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shots": (0,)}, "count from 1"),
        ({"val_split": "test"}, "must differ"),
        ({"train_split": "test"}, "must differ"),
        ({"heads": ("zero_shot",)}, "needs prompts"),
        ({"draws": 0}, "greater than or equal to 1"),
    ],
)
def test_options_that_cannot_be_measured_are_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        FewShot.options(query="ecg", label="finding", **given)


def test_a_class_without_prompts_is_refused():
    few = {**PROMPTS, "classes": {"c0": "class c0", "c1": "class c1"}}
    with pytest.raises(Refusal, match="no prompts for 2 classes"):
        run(make_space(), FULL.model_copy(update={"prompts": few}))


def test_what_cannot_be_learned_is_not_defined():
    space = make_space()
    rows = replace(space.rows, columns={"finding": ["c1"] * 240})
    assert run(replace(space, rows=rows)).rows[0].reason == "1 classes to learn"
    nowhere = run(space, MEAN.model_copy(update={"split": "nowhere"}))
    assert [row.reason for row in nowhere.rows] == ["no row is left"]
    ecg = replace(space.vectors["ecg"], features=None)
    bare = run(replace(space, vectors={"ecg": ecg}), MEAN.model_copy(update={"by": ("features",)}))
    assert bare.rows[0].reason == "these vectors were not kept"


def test_too_few_groups_are_said():
    row = one(run(make_space(), MEAN.model_copy(update={"shots": (400,)})), "mean, values", 400)
    assert "4 classes have fewer than 400 groups" in row.flags


def test_a_constant_encoder_scores_exactly_chance():
    rows = [r for r in run(collapse(make_space()), FULL).rows if r.metric == "accuracy"]
    assert len(rows) == 2 * 11
    for row in rows:
        if row.average == "macro":
            assert row.value == pytest.approx(row.chance, abs=1e-12), row.pool


def test_more_examples_tell_more():
    result = run(make_space(noise=0.8), MEAN.model_copy(update={"shots": (1, 16), "draws": 10}))
    assert one(result, "mean, values", 16).value > one(result, "mean, values", 1).value + 0.05
    assert one(result, "mean, values, all rows", None).value > one(result, "mean, values", 1).value


def test_zero_shot_and_all_rows_stand_beside_the_curve():
    space = make_space(noise=1.0)
    result = run(space, FULL)
    pools = {(row.pool, row.k) for row in result.rows}
    heads = (
        "mean, values",
        "probe, values",
        "zero_shot, values",
        "mean, features",
        "probe, features",
    )
    assert pools == {(h, 2) for h in heads} | {(f"{h}, all rows", None) for h in heads} | {
        ("zero_shot, values", 0)
    }
    alone = ZeroShot.options(query="ecg", label="finding", prompts=PROMPTS)
    (row,) = [
        r for r in ZeroShot().run(space, alone, CONTEXT).rows
        if (r.metric, r.average, r.k) == ("accuracy", "macro", 1)
    ]  # fmt: skip
    assert one(result, "zero_shot, values", 0).value == pytest.approx(row.value, abs=1e-12)


def test_numbers_follow_from_predictions_alone():
    result = run(make_space(noise=1.0), FULL)
    table, checked = result.predictions, 0
    assert table["id"] == sorted(table["id"])
    for row in result.rows:
        if row.metric != "accuracy":
            continue
        head = row.pool.removesuffix(", all rows").replace(", ", "_")
        ending = "all" if row.k is None else f"k{row.k}"
        name = "zero_shot_k0" if row.k == 0 else f"{head}_{ending}"
        said = np.array(table[f"prediction_{name}"])
        truth = np.array(table["label"])
        hits = np.array(table[f"hit_{name}"])
        assert (hits == (said == truth[:, None])).all()
        each = [
            hits[:, i].mean() if row.average == "micro"
            else balanced_accuracy_score(truth, said[:, i])
            for i in range(said.shape[1])
        ]  # fmt: skip
        assert row.value == pytest.approx(np.mean(each), abs=1e-12)
        if len(each) > 1:
            spread = one(result, row.pool, row.k, "accuracy_sd", row.average)
            assert spread.value == pytest.approx(np.std(each, ddof=1), abs=1e-12)
        checked += 1
    assert checked == 2 * 11


def test_the_order_of_manifest_rows_changes_nothing():
    assert run(make_space()) == run(shuffle(make_space()))


def test_test_rows_never_enter_the_examples():
    space = make_space()
    ecg = space.vectors["ecg"]
    values = ecg.values.copy()
    test = [i for i, split in enumerate(space.rows.splits) if split == "test"]
    values[test[0]] = -values[test[0]]
    other = replace(space, vectors={**space.vectors, "ecg": replace(ecg, values=values)})
    one_way, moved = (run(s).predictions["prediction_mean_values_k4"] for s in (space, other))
    changed = [i for i, (a, b) in enumerate(zip(one_way, moved, strict=True)) if a != b]
    assert len(changed) <= 1
