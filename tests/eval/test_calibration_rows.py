"""Rows of calibration from known probabilities, and the table that draws them."""

import numpy as np
import pytest

from eval.calibration_maps import Stated
from eval.calibration_rows import METRICS, add_rows, table_of
from eval.intervals import Resampler
from eval.labels import Truth
from eval.rows import sheet

NAMES = ("a", "b", "c")


def page(n):
    return sheet(
        Resampler([f"p{i}" for i in range(n)], 1, 50), task="calibration", query="ecg",
        split="test", model="trained", label="finding",
    )  # fmt: skip


def single(n=60, classes=3):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, n)
    truth = Truth(NAMES[:classes], labels, np.eye(classes)[labels])
    return Stated("as declared", rng.dirichlet(np.ones(classes), n), truth)


def filled(given, least=1):
    made = page(len(given.probabilities))
    add_rows(made, given, least=least)
    return {(r.metric, r.label, r.average): r for r in made.rows}


def test_a_reason_stands_in_every_row():
    given = Stated("platt", np.zeros((0, 3)), single().truth, reason="too small")
    assert {row.reason for row in filled(given).values()} == {"too small"}
    assert len(filled(given)) == len(METRICS)


def test_labels_with_too_few_of_a_kind_are_left_out():
    truth = Truth(NAMES, None, np.zeros((60, 3)))
    rows = filled(Stated("as declared", single().probabilities, truth), least=5)
    assert all(row.value is None and "5 positives" in row.reason for row in rows.values())


def test_several_classes_sum_their_squares():
    given = single()
    row = filled(given)["brier", "finding", None]
    expected = ((given.probabilities - given.truth.table) ** 2).sum(1).mean()
    assert row.value == pytest.approx(expected, abs=1e-12)
    assert row.chance == pytest.approx(2 / 3, abs=1e-12)


def test_a_certain_and_right_model_has_no_error():
    truth = single().truth
    rows = filled(Stated("as declared", truth.table.copy(), truth))
    for metric in ("brier", "ece", "ece_mass"):
        assert rows[metric, "finding", None].value == 0


def test_the_table_counts_every_known_outcome():
    truth = single().truth.table.copy()
    truth[0, 0] = np.nan
    given = Stated("as declared", single().probabilities, Truth(NAMES, None, truth))
    assert sum(part["n"] for part in table_of(given)) == 179
    assert sum(part["n"] for part in table_of(single())) == 60
