"""Areas under curves against scikit-learn, with ties and weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from eval.areas import area, macro_area, usable_labels
from eval.intervals import Resampler

ORACLES = {"auroc": roc_auc_score, "auprc": average_precision_score}


def value(kind, scores, truth, weights=None):
    n = len(scores)
    statistic = area(kind, np.asarray(scores, float), np.asarray(truth, float), index=np.arange(n))
    weights = np.ones(n) if weights is None else np.asarray(weights, float)
    return float(statistic(weights[None])[0][0])


@pytest.mark.parametrize("kind", ["auroc", "auprc"])
@pytest.mark.parametrize("truth", [[0, 0, 0], [1, 1, 1]])
def test_one_class_alone_is_not_defined(kind, truth):
    assert np.isnan(value(kind, [0.1, 0.2, 0.3], truth))


def test_known_answer():
    truth, scores = [0, 0, 1, 1, 1, 0], [0.1, 0.4, 0.4, 0.8, 0.9, 0.4]
    assert value("auroc", scores, truth) == pytest.approx(8 / 9, abs=1e-15)
    assert value("auprc", scores, truth) == pytest.approx(13 / 15, abs=1e-15)


@pytest.mark.parametrize("kind", ["auroc", "auprc"])
@settings(deadline=None, max_examples=50)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=2, max_size=40
    )
)
def test_ties_and_integer_weights_equal_scikit_learn(kind, rows):
    scores, truth, weights = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
    for chosen in (np.ones_like(weights), weights):
        live = chosen > 0
        if len(set(truth[live])) < 2:
            assert np.isnan(value(kind, scores, truth, chosen))
            continue
        expected = ORACLES[kind](truth, scores, sample_weight=chosen)
        repeated = ORACLES[kind](
            np.repeat(truth, chosen.astype(int)), np.repeat(scores, chosen.astype(int))
        )
        assert value(kind, scores, truth, chosen) == pytest.approx(expected, abs=1e-12)
        assert value(kind, scores, truth, chosen) == pytest.approx(repeated, abs=1e-12)


def test_masked_rows_do_not_count():
    scores, truth = np.array([0.1, 0.9, 0.5, 0.3]), np.array([0, 1, np.nan, 1.0])
    assert value("auroc", scores, truth) == value("auroc", scores[[0, 1, 3]], truth[[0, 1, 3]])


def test_macro_leaves_out_labels_with_one_class():
    rng = np.random.default_rng(0)
    scores, truth = rng.random((30, 3)), (rng.random((30, 3)) < 0.4).astype(float)
    truth[:, 1] = 0
    found, complete = macro_area("auroc", scores, truth, index=np.arange(30))(np.ones((1, 30)))
    expected = np.mean([roc_auc_score(truth[:, i], scores[:, i]) for i in (0, 2)])
    assert found[0] == pytest.approx(expected, abs=1e-12)
    assert complete[0]
    assert usable_labels(truth) == [0, 2]


@pytest.mark.parametrize("kind", ["auroc", "auprc"])
@pytest.mark.parametrize("positives", [1, 40, 199])
@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_replicates_equal_scikit_learn_on_the_same_rows(kind, positives, decimals):
    rng = np.random.default_rng(positives)
    truth = (rng.permutation(200) < positives).astype(float)
    scores = np.round(rng.standard_normal(200) + truth, decimals)
    replicates = Resampler(tuple(f"p{i // 3:02d}" for i in range(200)), 3, 40)
    found, _ = replicates.draw(area(kind, scores, truth, index=replicates.index))
    for value, drawn in zip(found, replicates._drawn, strict=True):
        rows = np.repeat(np.arange(200), drawn[replicates.index])
        if len(set(truth[rows])) < 2:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(ORACLES[kind](truth[rows], scores[rows]), abs=1e-12)


@pytest.mark.parametrize("kind", ["auroc", "auprc"])
def test_scores_that_are_all_equal_give_chance(kind):
    truth = np.array([1, 0, 0, 1, 0.0])
    assert value(kind, np.zeros(5), truth) == pytest.approx({"auroc": 0.5, "auprc": 0.4}[kind])


def test_counts_beyond_float32_stay_exact():
    truth, scores = np.array([0, 1, 1, 0.0]), np.array([0.1, 0.2, 0.3, 0.3])
    weights = np.array([3.0, 2**25 + 1, 5, 7])
    expected = roc_auc_score(truth, scores, sample_weight=weights)
    assert value("auroc", scores, truth, weights) == pytest.approx(expected, abs=1e-14)
