"""Answers read back from predictions: every kind of score, masked labels, rows left out."""

import numpy as np

from eval.answers import answers_of, included

TABLE = {
    "id": ["a", "b", "c"], "group": ["p", "p", "q"], "included": [True, False, True],
    "label": ["x|y?", None, ""], "scores_values_k5": [[1, 2], None, [3, 4]],
    "scores": [[5, 6], None, [7, 8]], "scored": [1, 2, 3],
}  # fmt: skip


def test_a_table_without_scored_rows_has_empty_answers():
    table = {**TABLE, "included": [False] * 3}
    (one, other) = answers_of(table, ["x", "y"], "multi", excluded={})
    assert one.scores.shape == other.scores.shape == (0, 2)
    assert included({}) == []


def test_every_column_of_scores_is_an_answer():
    found = {one.kind: one for one in answers_of(TABLE, ["x", "y"], "multi", excluded={"n": 1})}
    assert set(found) == {"values_k5", ""}
    assert found[""].scores.tolist() == [[5, 6], [7, 8]]
    assert (found[""].ids, found[""].groups) == (("a", "c"), ("p", "q"))
    assert np.isnan(found[""].truth.table[0, 1])
    assert found[""].truth.table[1].tolist() == [0, 0]
    assert found[""].excluded == {"n": 1}


def test_labels_survive_being_written():
    (one, *_) = answers_of(TABLE, ["x", "y"], "multi", excluded={})
    assert one.truth.words() == ["x|y?", ""]
