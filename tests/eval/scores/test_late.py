"""Late interaction: known answers."""

import pytest
import torch
from example_sides import make_side, one_token

from eval.scores import side_score
from eval.scores.pooled import Pooled
from eval.scores.side import Side


def side_of(tokens):
    values = torch.tensor([tokens])
    there = torch.ones(1, dtype=torch.bool)
    return Side({"a": values[:, 0]}, {"a": there}, {"a": values},
                {"a": torch.ones(values.shape[:2], dtype=torch.bool)})  # fmt: skip


@pytest.mark.parametrize(("normalise", "expected"), [("sum", 1.8), ("mean", 0.9)])
def test_two_words_against_three_slices(normalise, expected):
    query = side_of([[1.0, 0.0], [0.0, 1.0]])
    candidate = side_of([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])
    found = side_score("late", 2, normalise=normalise)(query, candidate)
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_the_other_way_round_is_another_score():
    query = side_of([[1.0, 0.0], [0.0, 1.0]])
    candidate = side_of([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]])
    turned = side_score("late", 2)(candidate, query)
    assert float(turned) == pytest.approx((1 + 0.8 + 0) / 3, abs=1e-6)


def test_one_token_an_item_is_cosine():
    query, candidate = one_token(make_side(6)), one_token(make_side(7, seed=1))
    expected = Pooled(dim=8)(query, candidate)
    torch.testing.assert_close(side_score("late", 8)(query, candidate), expected, atol=1e-6, rtol=0)


def test_a_pad_never_wins_where_every_cosine_is_negative():
    query = side_of([[1.0, 0.0]])
    candidate = side_of([[-1.0, 0.0], [0.0, 0.0]])
    candidate.token_valid["a"][0, 1] = False
    assert float(side_score("late", 2)(query, candidate)) == pytest.approx(-1.0)
