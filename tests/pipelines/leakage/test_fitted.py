"""Fits: what is fitted on the rows that are measured is refused, and all else is told."""

from types import SimpleNamespace

from pipelines.leakage.fitted import check_fitted, provenance


def task(name="probe-ecg", **options):
    return SimpleNamespace(name=name, options=SimpleNamespace(**options))


def test_a_choice_made_on_the_measured_split_is_refused(plan, manifest):
    wrong = task(split="test", train_split="train", val_split="test")
    (check,) = check_fitted(plan(tasks=[wrong]))
    assert check.refused
    assert check.field == "probe-ecg.val_split"
    assert str(check.refusal(manifest(("train",)))).startswith("E-CFG-027")


def test_a_choice_made_on_validation_is_told(plan):
    right = task(split="test", train_split="train", val_split="val")
    (check,) = check_fitted(plan(tasks=[right, task("zero_shot-ecg", split="test")]))
    assert check.found == 0
    told = provenance(plan(tasks=[right]))
    assert told["probe-ecg: val_split"] == "val"
    assert told["encoders, projections and fusions"] == "train"
