"""The regression task: refusals, rows left out, chance, and numbers recomputed from predictions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import collapse, make_space, shuffle
from pydantic import ValidationError
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score

from eval.regression import Regression
from eval.task import Context
from workbench.errors import Refusal

CONTEXT = Context(seed=1, base=Path(), replicates=40)
AGE = Regression.options(query="ecg", label="age")


def aged(noise=4.0):
    """The example space with an age that the class and chance make."""
    space = make_space()
    rng = np.random.default_rng(0)
    ages = [
        f"{50 + 8 * int(c[1]) + noise * rng.standard_normal():.2f}"
        for c in space.rows.columns["finding"]
    ]
    return replace(space, rows=replace(space.rows, columns={**space.rows.columns, "age": ages}))


def run(space, options=AGE):
    return Regression().run(space, options, CONTEXT)


def one(result, metric, pool="features"):
    (row,) = [r for r in result.rows if (r.metric, r.pool) == (metric, pool)]
    return row


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"alphas": (0.0,)}, "above 0"),
        ({"alphas": ()}, "at least 1"),
        ({"val_split": "test"}, "must differ"),
        ({"train_split": "test"}, "must differ"),
        ({"val_split": "train"}, "must differ"),
    ],
)
def test_options_that_would_fit_what_they_measure_are_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        Regression.options(query="ecg", label="age", **given)


def test_an_unknown_column_is_refused():
    with pytest.raises(Refusal, match="column 'age'"):
        run(make_space())


def test_cells_without_a_number_are_counted_out():
    space = aged()
    column = list(space.rows.columns["age"])
    test = [i for i, split in enumerate(space.rows.splits) if split == "test"]
    column[test[0]], column[test[1]], column[test[2]] = None, "old", "inf"
    space = replace(space, rows=replace(space.rows, columns={"age": column}))
    row = one(run(space), "r2")
    assert row.n_excluded == {"no label": 1, "not a number": 2}
    assert row.n == len(test) - 3


def test_what_cannot_be_fitted_is_not_defined():
    ecg = replace(aged().vectors["ecg"], features=None)
    result = run(replace(aged(), vectors={"ecg": ecg}))
    assert one(result, "r2").reason == "these vectors were not kept"
    assert one(result, "r2", "values").value > 0.3
    nowhere = run(aged(), AGE.model_copy(update={"split": "nowhere"}))
    assert one(nowhere, "r2").reason == "no row is left"


def test_without_validation_rows_alpha_is_not_selected():
    row = one(run(aged(), AGE.model_copy(update={"val_split": "nowhere"})), "r2")
    assert any("alpha-not-selected" in flag for flag in row.flags)


def test_alpha_is_chosen_without_the_test_rows():
    space = aged()
    ages = list(space.rows.columns["age"])
    for i, split in enumerate(space.rows.splits):
        if split == "test":
            ages[i] = "0" if i % 2 else "100"
    other = replace(space, rows=replace(space.rows, columns={"age": ages}))
    assert one(run(space), "r2").flags == one(run(other), "r2").flags
    assert (
        run(space).predictions["prediction_values"] == run(other).predictions["prediction_values"]
    )


def test_numbers_follow_from_predictions_alone():
    result = run(aged())
    table = result.predictions
    for kind in ("features", "values"):
        truth, found = table["label"], table[f"prediction_{kind}"]
        assert one(result, "r2", kind).value == pytest.approx(r2_score(truth, found), abs=1e-12)
        expected = mean_absolute_error(truth, found)
        assert one(result, "mae", kind).value == pytest.approx(expected, abs=1e-12)
        expected = spearmanr(truth, found).statistic
        assert one(result, "spearman", kind).value == pytest.approx(expected, abs=1e-12)


def test_a_constant_encoder_scores_exactly_chance():
    rows = run(collapse(aged())).rows
    for row in rows:
        if row.metric == "spearman":
            assert row.value is None
        else:
            assert row.value == pytest.approx(row.chance, abs=1e-9)


def test_the_order_of_manifest_rows_changes_nothing():
    assert run(aged()) == run(shuffle(aged()))
