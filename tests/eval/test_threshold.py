"""The threshold task: refused on its own split, fitted on validation, restated at prevalences."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import CLASSES, make_space, shuffle
from pydantic import ValidationError
from sklearn.metrics import f1_score, precision_score, recall_score

from eval.task import Context
from eval.threshold import Threshold
from workbench.errors import Refusal

CONTEXT = Context(seed=1, base=Path(), replicates=60)
PROBE = {"task": "probe", "query": "ecg", "label": "findings", "labels": "multi", "c": [1.0],
         "by": ["features"]}  # fmt: skip
SINGLE = {"task": "probe", "query": "ecg", "label": "finding", "c": [1.0], "by": ["features"]}


def run(space, of=PROBE, **options):
    return Threshold().run(space, Threshold.options(of=of, **options), CONTEXT)


def one(result, metric, **columns):
    wanted = {"metric": metric, **columns}
    (row,) = [r for r in result.rows if all(getattr(r, k) == v for k, v in wanted.items())]
    return row


def test_a_threshold_is_not_measured_on_the_split_it_came_from():
    with pytest.raises(Refusal, match="flatters"):
        run(make_space(), val_split="test")


def test_single_labels_need_two_classes_and_the_positive_one():
    with pytest.raises(Refusal, match="one of two classes"):
        run(make_space(), SINGLE, positive="c0")


def test_a_prevalence_outside_0_and_1_is_refused():
    with pytest.raises(ValidationError):
        Threshold.options(of=PROBE, prevalences=[1.0])


def test_too_few_validation_positives_give_no_threshold():
    result = run(make_space(n=60))
    assert result.rows
    assert all(row.value is None for row in result.rows)
    assert "fewer than 10" in result.rows[0].reason
    assert all(kept["value"] is None for kept in result.extras["thresholds"])


def test_an_empty_split_is_not_defined():
    (row,) = run(make_space(), {**PROBE, "split": "nowhere"}).rows
    assert (row.value, row.reason) == (None, "no row was scored")


def test_decisions_give_the_numbers_of_scikit_learn():
    result = run(make_space(n=400))
    truth = np.array([["c1" in cell.split("|")] for cell in result.predictions["label"]])[:, 0]
    called = np.array(result.predictions["called features c1"])
    for metric, expected in (
        ("sensitivity", recall_score(truth, called)), ("f1", f1_score(truth, called)),
        ("specificity", recall_score(~truth, ~called)), ("ppv", precision_score(truth, called)),
        ("npv", precision_score(~truth, ~called)),
    ):  # fmt: skip
        row = one(result, metric, label="findings=c1")
        assert row.value == pytest.approx(expected, abs=1e-12)
        assert row.ci_low <= row.value <= row.ci_high
        assert "few-positives" in row.flags
    assert one(result, "sensitivity", label="findings=c1").chance == 1


def test_what_is_kept_says_where_the_threshold_came_from():
    space = make_space(n=400)
    kept = run(space, rule="sensitivity").extras["thresholds"]
    assert [entry["label"] for entry in kept] == [f"findings={c}" for c in CLASSES]
    assert {(k["rule"], k["split"], k["query"]) for k in kept} == {("sensitivity", "val", "ecg")}
    other = run(make_space(n=420), rule="sensitivity").extras["thresholds"]
    assert kept[0]["digest"] != other[0]["digest"]


def test_test_labels_never_move_a_threshold():
    space = make_space(n=400)
    kept = run(space).extras["thresholds"]
    column = [
        "c0" if split == "test" else cell
        for cell, split in zip(space.rows.columns["findings"], space.rows.splits, strict=True)
    ]
    space = replace(space, rows=replace(space.rows, columns={"findings": column}))
    assert [k["value"] for k in run(space).extras["thresholds"]] == [k["value"] for k in kept]


def test_the_order_of_manifest_rows_changes_nothing():
    assert run(make_space(n=400)) == run(shuffle(make_space(n=400)))


def test_two_classes_are_cut_along_their_margin():
    space = make_space(n=400)
    binary = ["yes" if c in ("c0", "c1") else "no" for c in space.rows.columns["finding"]]
    space = replace(space, rows=replace(space.rows, columns={"finding": binary}))
    row = one(run(space, SINGLE, positive="yes"), "sensitivity", label="finding=yes")
    assert row.value > 0.6
