"""Recalibration: what is too little to fit, and maps that undo a known distortion."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from eval.answers import Answers
from eval.calibration_maps import platt, probabilities, sigmoid, stated, temperature
from eval.labels import Truth


def drawn(n=4000, classes=3, factor=1.0, seed=0):
    """Rows whose labels follow softmax(scores); the scores are then scaled."""
    rng = np.random.default_rng(seed)
    scores = 1.5 * rng.standard_normal((n, classes))
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    labels = (rng.random((n, 1)) > shares.cumsum(1)).sum(1)
    truth = Truth(tuple("abc"[:classes]), labels, np.eye(classes)[labels])
    ids = tuple(f"r{i}" for i in range(n))
    return Answers("", ids, ids, factor * scores, truth, {})


def test_nothing_is_fitted_on_too_little():
    test = drawn(50)
    for val in (None, drawn(5)):
        found = stated(test, val, ["temperature", "platt"])
        assert [way.reason is None for way in found] == [True, False, False]


def test_separable_or_equal_scores_have_no_line():
    truth = np.array([0.0, 0, 1, 1])
    assert platt(np.array([1.0, 2, 3, 4]), truth) is None
    assert platt(np.ones(4), truth) is None


@pytest.mark.parametrize("factor", [0.2, 1.0, 8.0])
def test_temperature_undoes_a_factor(factor):
    assert temperature(drawn(factor=factor)) == pytest.approx(factor, rel=0.06)


def test_platt_is_an_unpenalised_regression():
    answers = drawn(500, 2)
    margin = answers.scores[:, 1] - answers.scores[:, 0]
    truth = answers.truth.table[:, 1]
    model = LogisticRegression(C=1e10, tol=1e-10).fit(margin[:, None], truth)
    expected = (float(model.coef_[0, 0]), float(model.intercept_[0]))
    assert platt(margin, truth) == pytest.approx(expected, abs=1e-4)


def test_probabilities_add_up_and_never_overflow():
    single = probabilities(np.array([[1e4, 0.0], [0.0, 0.0]]), drawn(2, 2).truth)
    assert single.tolist() == [[1, 0], [0.5, 0.5]]
    assert sigmoid(np.array([-1e4, 0, 1e4])).tolist() == [0, 0.5, 1]


def test_what_was_fitted_is_said():
    before, cooled, mended = stated(drawn(400, 2), drawn(400, 2, 5.0), ["temperature", "platt"])
    assert (before.name, before.fitted) == ("as declared", {})
    assert cooled.fitted["T"] == pytest.approx(5, rel=0.3)
    assert set(mended.fitted) == {"b"}
