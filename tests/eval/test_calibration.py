"""The calibration task: what it refuses, what it fits and where, and rows that say all of it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import CLASSES, collapse, make_space, shuffle
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from eval.calibration import Calibration
from eval.task import Context
from workbench.errors import Refusal

CONTEXT = Context(seed=1, base=Path(), replicates=60)
PROMPTS = {"classes": {c: f"class {c}" for c in CLASSES}, "templates": ["{}", "a {}"]}
ZERO_SHOT = {"task": "zero_shot", "query": "ecg", "label": "finding", "prompts": PROMPTS}
PROBE = {"task": "probe", "query": "ecg", "label": "finding", "by": ["features"], "c": [1.0]}


def run(space, of=PROBE, **options):
    return Calibration().run(space, Calibration.options(of=of, **options), CONTEXT)


def one(result, metric, **columns):
    wanted = {"metric": metric, **columns}
    (row,) = [r for r in result.rows if all(getattr(r, k) == v for k, v in wanted.items())]
    return row


def two_classes(n=400):
    space = make_space(n=n, noise=1.5)
    binary = ["yes" if c in ("c0", "c1") else "no" for c in space.rows.columns["finding"]]
    return replace(space, rows=replace(space.rows, columns={"finding": binary}))


def test_scores_without_a_temperature_are_no_probabilities():
    with pytest.raises(ValidationError, match="over a temperature"):
        Calibration.options(of=ZERO_SHOT)


def test_a_task_without_probabilities_or_with_a_wrong_option_is_refused():
    with pytest.raises(ValidationError, match="expected one of"):
        Calibration.options(of={"task": "retrieval", "query": "ecg", "gallery": "report"})
    with pytest.raises(ValidationError, match=r"of\.lable"):
        Calibration.options(of={**PROBE, "lable": "finding"})


def test_recalibration_on_the_measured_split_is_refused():
    with pytest.raises(Refusal, match="flatters"):
        run(make_space(), val_split="test")


def test_label_sets_without_negated_prompts_declare_no_probability():
    of = {**ZERO_SHOT, "label": "findings", "labels": "multi"}
    with pytest.raises(Refusal, match="negation"):
        run(make_space(), of, temperature=0.1)


def test_without_validation_nothing_is_fitted_and_the_rows_say_so():
    result = run(make_space(), val_split="nowhere")
    row = one(result, "brier", pool="features temperature")
    assert (row.value, row.reason) == (None, "nothing was scored on validation")
    assert one(result, "brier", pool="features as declared").value > 0


def test_an_empty_split_is_not_defined():
    for of in (PROBE, ZERO_SHOT):
        result = run(make_space(), {**of, "split": "nowhere"}, temperature=0.1)
        assert result.rows
        assert all(row.value is None and row.reason for row in result.rows)


def test_probe_probabilities_are_those_of_scikit_learn():
    space = two_classes()
    x = space.vectors["ecg"].features.astype(float)
    y = np.array(space.rows.columns["finding"])
    train, test = ([i for i, s in enumerate(space.rows.splits) if s == name]
                   for name in ("train", "test"))  # fmt: skip
    x = (x - x[train].mean(0)) / x[train].std(0)
    model = LogisticRegression(C=1.0, max_iter=1000).fit(x[train], y[train])
    result = run(space)
    ours = np.array(result.predictions["probability features as declared"])
    assert ours == pytest.approx(model.predict_proba(x[test]), abs=1e-4)
    brier = brier_score_loss(y[test] == "yes", ours[:, 1])
    row = one(result, "brier", pool="features as declared")
    assert row.value == pytest.approx(brier, abs=1e-12)
    assert row.chance == pytest.approx(0.25, abs=1e-12)
    assert "probability of yes" in row.flags


def test_recalibration_mends_what_was_overconfident():
    space = make_space(n=600, noise=1.5)
    result = run(space, ZERO_SHOT, temperature=0.005)
    before = one(result, "ece", pool="as declared").value
    after = one(result, "ece", pool="temperature").value
    assert before > 0.2
    assert after < before - 0.05
    assert result.extras["recalibration"]["temperature"]["T"] > 2
    assert one(result, "brier", pool="platt").reason == "defined for two classes, there are 4"


def test_platt_mends_two_classes():
    result = run(two_classes(), recalibrate=["platt"])
    row = one(result, "calibration_slope", pool="features platt")
    assert row.value == pytest.approx(1, abs=0.6)
    assert set(result.extras["recalibration"]["features platt"]) == {"yes"}


def test_test_labels_never_reach_what_is_fitted():
    space = two_classes()
    fitted = run(space).extras["recalibration"]
    column = [
        ("no" if c == "yes" else "yes") if s == "test" else c
        for c, s in zip(space.rows.columns["finding"], space.rows.splits, strict=True)
    ]
    space = replace(space, rows=replace(space.rows, columns={"finding": column}))
    assert run(space).extras["recalibration"] == fitted


def test_equal_scores_have_the_brier_score_of_chance():
    result = run(collapse(make_space()), ZERO_SHOT, temperature=0.1)
    row = one(result, "brier", pool="as declared")
    assert row.value == pytest.approx(row.chance, abs=1e-12)
    assert row.value == pytest.approx(0.75, abs=1e-12)


def test_label_sets_have_a_row_per_label_and_their_mean():
    of = {**PROBE, "label": "findings", "labels": "multi", "min_positives": 3}
    result = run(make_space(), of)
    pool = "features as declared"
    labels = [one(result, "ece", pool=pool, label=f"findings={c}").value for c in CLASSES]
    macro = one(result, "ece", pool=pool, average="macro")
    assert macro.value == pytest.approx(np.mean(labels), abs=1e-12)
    assert macro.ci_low <= macro.value
    keys = [(r.metric, r.label, r.average, r.pool) for r in result.rows]
    assert len(set(keys)) == len(keys)


def test_masked_labels_of_the_last_patient_change_no_shape():
    space = make_space()
    last = max(i for i, split in enumerate(space.rows.splits) if split == "test")
    column = list(space.rows.columns["findings"])
    column[last - 1 : last + 1] = ["c0?|c1", "c0?"]
    space = replace(space, rows=replace(space.rows, columns={"findings": column}))
    of = {**PROBE, "label": "findings", "labels": "multi", "min_positives": 3}
    row = one(run(space, of), "brier", pool="features as declared", label="findings=c0")
    assert row.n == 46


@pytest.mark.parametrize("of", [PROBE, ZERO_SHOT])
def test_the_order_of_manifest_rows_changes_nothing(of):
    result = run(make_space(), of, temperature=0.1)
    assert result == run(shuffle(make_space()), of, temperature=0.1)
    assert sum(part["n"] for part in result.extras["reliability"]) == 48


def test_the_prompts_of_the_asked_task_are_asked_for():
    options = Calibration.options(of=ZERO_SHOT, temperature=0.1)
    assert set(Calibration().texts(options, make_space().rows, CONTEXT)) == {"report"}
    assert (options.query, options.anchor, options.label) == ("ecg", "report", "finding")
