"""Fits: what is fitted on the rows that are measured is refused, and all else is told."""

from types import SimpleNamespace

from pipelines.leakage.fitted import check_fitted, provenance


def task(name="probe-ecg", **options):
    kind = name.partition("-")[0]
    return SimpleNamespace(name=name, task=kind, options=SimpleNamespace(**options))


def test_a_choice_made_on_the_measured_split_is_refused(plan, manifest):
    wrong = task(split="test", train_split="train", val_split="test")
    (check,) = check_fitted(plan(tasks=[wrong]))
    assert check.refused
    assert check.field == "evaluate: probe-ecg.val_split"
    assert str(check.refusal(manifest(("train",)))).startswith("E-CFG-024")


def test_measured_rows_may_be_searched_but_not_vote(plan):
    same = {"split": "test", "gallery_split": "test"}
    assert check_fitted(plan(tasks=[task("knn-ecg", **same)]))[0].refused
    assert not check_fitted(plan(tasks=[task("retrieval-ecg", **same)]))[0].refused


def test_a_choice_made_on_validation_is_told(plan):
    right = task(split="test", train_split="train", val_split="val")
    (check,) = check_fitted(plan(tasks=[right, task("zero_shot-ecg", split="test")]))
    assert check.found == 0
    told = provenance(
        plan(tasks=[right, task("open_set-ecg", split="test", val_splits=("a", "b"))])
    )
    assert told["open_set-ecg: val_splits"] == "a, b"
    assert told["probe-ecg: val_split"] == "val"
    assert told["encoders, projections and fusions"] == "train"
