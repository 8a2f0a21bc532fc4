"""The cosine score: one object for training and ranking."""

import numpy as np
import pytest
import torch

from eval.scores import score
from workbench.errors import Refusal


def test_an_unknown_score_is_refused():
    with pytest.raises(Refusal, match="did you mean 'cosine'"):
        score("cosin")


def test_scores_are_cosines_of_any_lengths():
    found = score("cosine")(np.array([[3.0, 0], [0, 0]]), np.array([[1.0, 0], [1, 1]]))
    assert found.dtype == torch.float32
    assert found[0].tolist() == pytest.approx([1, 0.5**0.5], abs=1e-6)
    assert found[1].tolist() == [0, 0]


def test_gradients_reach_both_sides_and_autocast_changes_nothing():
    query, item = (torch.randn(3, 4, requires_grad=True) for _ in range(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = score("cosine")(query, item)
    assert found.dtype == torch.float32
    assert torch.equal(found, score("cosine")(query, item))
    found.trace().backward()
    assert query.grad.abs().sum() > 0
    assert item.grad.abs().sum() > 0


def test_float32_scores_stay_within_the_declared_slack():
    rule, rng = score("cosine"), np.random.default_rng(0)
    query, item = (rule.prepare(rng.standard_normal((200, 512))) for _ in range(2))
    table = torch.from_numpy(query) @ torch.from_numpy(item).T
    exact = query.astype(float) @ item.astype(float).T
    assert np.abs(table.numpy() - exact).max() < rule.slack(512)


def test_equal_vectors_have_exactly_equal_scores():
    rng = np.random.default_rng(0)
    query, item = (rng.standard_normal((5, 37)).astype(np.float32) for _ in range(2))
    table = score("cosine").exact_table(np.tile(query, (3, 1)), np.tile(item, (3, 1)))
    assert (table[:5] == table[5:10]).all()
    assert (table[:, :5] == table[:, 10:]).all()
