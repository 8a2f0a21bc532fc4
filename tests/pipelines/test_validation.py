"""The validation figure: mean reciprocal rank of partners, ties against the model."""

import pytest
import torch

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items
from pipelines.validation import mean_reciprocal_rank

EDGES = (Edge("a", ("b",)),)
OBJECTIVE = Contrastive(ContrastiveOptions(), EDGES, Shapes(3))


def figure(a, b, *, present=None, content=None):
    rows = len(a)
    ids = torch.arange(rows)
    all_here = {"a": torch.ones(rows, dtype=torch.bool), "b": torch.ones(rows, dtype=torch.bool)}
    items = Items(ids, ids, content or {"a": ids, "b": ids})
    return mean_reciprocal_rank(
        OBJECTIVE, EDGES, Encoded({"a": a, "b": b}, present or all_here), items
    )


def test_one_pair_has_no_rank():
    present = {"a": torch.tensor([True, False]), "b": torch.tensor([True, True])}
    assert figure(torch.eye(3)[:2], torch.eye(3)[:2], present=present) is None


def test_perfect_partners_score_one():
    assert figure(torch.eye(3), torch.eye(3)) == 1.0


def test_a_collapsed_model_is_last_not_first():
    assert figure(torch.ones(4, 3), torch.ones(4, 3)) == pytest.approx(1 / 4)


def test_swapped_partners_rank_second_or_third():
    swapped = torch.eye(3)[[1, 0, 2]]
    # the two swapped rows find one candidate ahead and one tied with their partner
    assert figure(torch.eye(3), swapped) == pytest.approx((1 / 3 + 1 / 3 + 1) / 3)


def test_equal_contents_are_partners():
    swapped = torch.eye(3)[[1, 0, 2]]
    content = {"a": torch.arange(3), "b": torch.tensor([5, 5, 6])}
    assert figure(torch.eye(3), swapped, content=content) == 1.0
