"""Polarity: masked pairs are left out, ties count one half, and who is present decides the sign."""

from pathlib import Path

import numpy as np
import pytest

from eval.polarity import add_polarity
from eval.rows import resampler, sheet
from eval.task import Context

NAN = float("nan")


def rows_of(margin, truth):
    groups = tuple(f"p{i}" for i in range(len(margin)))
    page = sheet(
        resampler(groups, Context(0, Path(), 0)), task="zero_shot", query="xray", label="finding",
        split="test", model="trained",
    )  # fmt: skip
    add_polarity(page, np.array(margin), np.array(truth), classes=("a", "b"))
    return {(row.metric, row.label): (row.value, row.n) for row in page.rows}


def test_signs_are_counted_by_finding_and_by_presence():
    margin = [[0.2, -0.1], [-0.3, 0.0], [0.1, 0.4]]
    truth = [[1, 0], [1, 0], [0, NAN]]
    found = rows_of(margin, truth)
    assert found["polarity", "finding"][0] == pytest.approx((1 + 1 + 0 + 0.5 + 0) / 5, abs=1e-15)
    assert found["polarity_present", "finding"][0] == 0.5
    assert found["polarity_absent", "finding"][0] == 0.5
    assert found["polarity", "finding=a"] == (pytest.approx(1 / 3), 3)
    assert found["polarity", "finding=b"] == (0.75, 2)


def test_a_finding_that_is_never_known_is_not_defined():
    assert rows_of([[0.1, 0.1]], [[1, NAN]])["polarity", "finding=b"] == (None, 0)
