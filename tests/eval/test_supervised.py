"""Probes and neighbour votes: what they refuse, and agreement with scikit-learn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import collapse, make_space, shuffle
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier

from eval.knn import Knn
from eval.probe import Probe
from eval.task import Context

CONTEXT = Context(seed=1, base=Path(), replicates=50)
PROBE = Probe.options(query="ecg", label="finding", c=(0.01, 1.0))
KNN = Knn.options(query="ecg", label="finding", by=("values",))


def macro(result, **columns):
    wanted = {"metric": "accuracy", "average": "macro", **columns}
    (row,) = [r for r in result.rows if all(getattr(r, n) == v for n, v in wanted.items())]
    return row


def split(space, name):
    return [i for i, s in enumerate(space.rows.splits) if s == name]


def test_features_that_were_not_kept_are_not_defined():
    space = make_space()
    ecg = replace(space.vectors["ecg"], features=None)
    result = Probe().run(replace(space, vectors={"ecg": ecg}), PROBE, CONTEXT)
    assert macro(result, pool="features").reason == "these vectors were not kept"
    assert macro(result, pool="values").value > 0.5


@pytest.mark.parametrize(("task", "options"), [(Probe, PROBE), (Knn, KNN)])
def test_one_training_class_or_no_row_is_not_defined(task, options):
    space = make_space()
    rows = replace(space.rows, columns={"finding": ["c1"] * 240})
    result = task().run(replace(space, rows=rows), options, CONTEXT)
    assert all(row.value is None and "1 classes" in row.reason for row in result.rows)
    result = task().run(space, options.model_copy(update={"split": "nowhere"}), CONTEXT)
    assert all(row.value is None and row.reason for row in result.rows)


def test_a_class_without_training_rows_is_counted_out():
    space = make_space()
    column = list(space.rows.columns["finding"])
    column[split(space, "test")[0]] = "unheard of"
    space = replace(space, rows=replace(space.rows, columns={"finding": column}))
    row = macro(Knn().run(space, KNN, CONTEXT), k=1)
    assert row.n_excluded == {"label without class": 1}
    assert row.n == 47


def test_without_validation_rows_c_is_not_selected():
    options = PROBE.model_copy(update={"val_split": "nowhere"})
    row = macro(Probe().run(make_space(), options, CONTEXT), pool="values")
    assert "C-not-selected" in row.flags


@pytest.mark.parametrize(("task", "options"), [(Probe, PROBE), (Knn, KNN)])
@pytest.mark.parametrize("labels", ["single", "multi"])
def test_the_order_of_manifest_rows_changes_nothing(task, options, labels):
    label = {"single": "finding", "multi": "findings"}[labels]
    options = options.model_copy(update={"labels": labels, "label": label})
    result = task().run(make_space(), options, CONTEXT)
    assert result == task().run(shuffle(make_space()), options, CONTEXT)
    keys = [(r.metric, r.label, r.k, r.average, r.pool) for r in result.rows]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(("task", "options"), [(Probe, PROBE), (Knn, KNN)])
def test_a_constant_encoder_has_chance_accuracy(task, options):
    for row in task().run(collapse(make_space()), options, CONTEXT).rows:
        if row.metric == "accuracy" and row.average == "macro" and row.value is not None:
            assert row.value == pytest.approx(0.25, abs=1e-12)


def test_the_probe_equals_scikit_learn_at_the_same_c():
    space = make_space()
    options = PROBE.model_copy(update={"c": (0.5,), "by": ("features",)})
    result = Probe().run(space, options, CONTEXT)
    x = space.vectors["ecg"].features.astype(float)
    y = np.array(space.rows.columns["finding"])
    train, test = split(space, "train"), split(space, "test")
    x = (x - x[train].mean(0)) / x[train].std(0)
    model = LogisticRegression(C=0.5, max_iter=1000).fit(x[train], y[train])
    expected = model.decision_function(x[test])
    assert np.array(result.predictions["scores_features"]) == pytest.approx(expected, abs=1e-4)
    accuracy = balanced_accuracy_score(y[test], model.predict(x[test]))
    assert macro(result).value == pytest.approx(accuracy, abs=1e-12)


@pytest.mark.parametrize("k", [1, 5])
def test_votes_equal_scikit_learn_where_no_vote_is_tied(k):
    space = make_space(noise=0.9)
    result = Knn().run(space, KNN.model_copy(update={"k": (k,)}), CONTEXT)
    x, y = space.vectors["ecg"].values, np.array(space.rows.columns["finding"])
    train, test = split(space, "train"), split(space, "test")
    model = KNeighborsClassifier(k, metric="cosine").fit(x[train], y[train])
    votes = np.sort(model.predict_proba(x[test]), axis=1)
    clear = votes[:, -1] > votes[:, -2]
    ours = np.array(result.predictions[f"prediction_values_k{k}"])
    assert clear.sum() > 30
    assert (ours == model.predict(x[test]))[clear].all()


def test_validation_says_which_k_it_prefers():
    space = make_space(noise=1.2)
    both = Knn.options(query="ecg", label="finding", k=(1, 5, 20))
    result = Knn().run(space, both, CONTEXT)
    assert {row.pool for row in result.rows} == {"features", "values"}
    on_val = Knn().run(
        space, both.model_copy(update={"split": "val", "val_split": "none"}), CONTEXT
    )
    assert not any("chosen" in flag for row in on_val.rows for flag in row.flags)
    for pool in ("features", "values"):
        quality = {k: macro(on_val, pool=pool, k=k).value for k in (1, 5, 20)}
        best = max(quality, key=lambda k: (quality[k], -k))
        flagged = {r.k for r in result.rows if r.pool == pool and "k chosen on val" in r.flags}
        assert flagged == {best}


def test_the_probe_says_which_c_it_chose():
    row = macro(Probe().run(make_space(), PROBE, CONTEXT), pool="values")
    assert {"C=0.01", "C=1"} & set(row.flags)


def test_a_tied_vote_goes_to_the_nearest_member():
    from eval.labels import truth_of
    from eval.votes import Votes

    items = np.array([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)
    truth = truth_of(["b", "a", "c"], ["a", "b", "c"], "single")
    scores = Votes("cosine", 2).scores((items, truth), (items, truth), items[:1])
    assert scores.argmax(axis=1).tolist() == [1]
