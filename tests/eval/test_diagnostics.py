"""The diagnostics task: broken vectors, empty splits, and rows that are unique and complete."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import collapse, make_space, shuffle

from eval.diagnostics import Diagnostics
from eval.shape import modality_gap
from eval.task import Context
from workbench.errors import Refusal

CONTEXT = Context(seed=1, base=Path(), replicates=50)
BOTH = Diagnostics.options(query="ecg", gallery="report")


def run(space, options=BOTH):
    return Diagnostics().run(space, options, CONTEXT)


def one(result, metric, **columns):
    wanted = {"metric": metric, **columns}
    (row,) = [r for r in result.rows if all(getattr(r, k) == v for k, v in wanted.items())]
    return row


def test_an_unknown_modality_is_refused():
    with pytest.raises(Refusal, match="modality 'oct'"):
        run(make_space(), Diagnostics.options(query="oct"))


def test_an_empty_split_is_not_defined():
    result = run(make_space(), BOTH.model_copy(update={"split": "nowhere"}))
    for row in result.rows:
        assert row.value == 0 if row.metric in ("not_finite", "zero_vectors") else row.reason
    assert one(result, "modality_gap").value is None


def test_broken_vectors_are_counted_and_left_out():
    space = make_space()
    ecg = space.vectors["ecg"]
    test = [i for i, split in enumerate(space.rows.splits) if split == "test"]
    values = ecg.values.copy()
    values[test[0], 0], values[test[1]], values[test[2]] = np.nan, 0.0, np.inf
    broken = replace(space, vectors={**space.vectors, "ecg": replace(ecg, values=values)})
    result = run(broken)
    assert one(result, "not_finite", pool="ecg").value == 2
    assert one(result, "zero_vectors", pool="ecg").value == 1
    assert one(result, "zero_vectors", pool="report").value == 0
    assert one(result, "alignment").n == 45
    assert one(result, "uniformity", pool="ecg").n_excluded == {
        "vector not finite": 2, "zero vector": 1,
    }  # fmt: skip


def test_rows_are_unique_and_the_gap_is_that_of_the_vectors():
    space = make_space()
    result = run(space)
    keys = [(r.metric, r.pool, r.query, r.gallery) for r in result.rows]
    assert len(set(keys)) == len(keys)
    test = [i for i, split in enumerate(space.rows.splits) if split == "test"]
    gap = modality_gap(space.vectors["ecg"].values[test], space.vectors["report"].values[test])
    assert one(result, "modality_gap").value == pytest.approx(gap, abs=1e-6)
    aligned = one(result, "alignment")
    assert aligned.ci_low < aligned.value < aligned.ci_high
    assert {r.pool for r in result.rows if r.metric == "hubness"} == {"ecg", "report"}


def test_one_modality_alone_has_no_gap():
    metrics = {row.metric for row in run(make_space(), Diagnostics.options(query="ecg")).rows}
    assert "uniformity" in metrics
    assert "modality_gap" not in metrics


def test_a_collapsed_space_shows():
    result = run(collapse(make_space()))
    assert one(result, "anisotropy", pool="ecg").value == pytest.approx(1, abs=1e-6)
    assert one(result, "uniformity", pool="ecg").value == pytest.approx(0, abs=1e-6)
    assert one(result, "effective_rank", pool="ecg").value is None
    assert one(result, "never_found", pool="ecg").value == 0


def test_more_vectors_than_asked_for_are_drawn_by_the_seed():
    options = BOTH.model_copy(update={"most": 20})
    row = one(run(make_space(), options), "uniformity", pool="ecg")
    assert (row.n, row.n_excluded) == (20, {"not drawn": 28})


def test_the_order_of_manifest_rows_changes_nothing():
    assert run(make_space()) == run(shuffle(make_space()))
