"""Known answers of the filtered top-k objective."""

import math

import pytest
import torch
from pydantic import ValidationError

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items, Step
from pipelines.objectives.topk_filtered import TopkFilteredOptions
from pipelines.objectives.topk_filtered_loss import TopkFiltered

EDGE = (Edge("a", ("b",)),)


def objective(**options):
    return TopkFiltered(TopkFilteredOptions(**options), EDGE, Shapes(16))


def items(count, content=None):
    rows = torch.arange(count)
    return Items(rows, rows, content or {"a": rows, "b": rows})


def encoded(a, b):
    there = torch.ones(len(a), dtype=torch.bool)
    return Encoded({"a": a, "b": b}, {"a": there, "b": there})


def random(count, seed=0):
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "options", [{"k": 0}, {"targets": "graded", "ranks": ("x", "y")}, {"temperature_per": "edge"}]
)
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        TopkFilteredOptions(**options)


@pytest.mark.parametrize("k", [1, 4, 8])
def test_equal_scores_cost_log_of_k_plus_one(k):
    same = torch.ones(20, 16)
    found = objective(k=k)(encoded(same, same), items(20), Step()).total
    assert found.item() == pytest.approx(math.log(k + 1), abs=1e-6)


def test_with_room_for_all_it_is_the_contrastive_loss():
    both = encoded(random(10), random(10, seed=1))
    found = objective(k=50, margin=9.0, temperature=0.1)(both, items(10), Step()).total
    plain = Contrastive(ContrastiveOptions(temperature=0.1), EDGE, Shapes(16))
    expected = plain(both, items(10), Step()).total
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)


def test_too_alike_candidates_are_never_negatives():
    loss = objective(k=2, margin=0.1, temperature=0.1)
    scores = torch.tensor([[0.5, 0.601, 0.599, 0.2, 0.1]])
    logits = (scores * 10).requires_grad_()
    right, valid = torch.tensor([[1.0, 0, 0, 0, 0]]), torch.ones(1, 5, dtype=torch.bool)
    loss.row_losses(logits, right, valid).sum().backward()
    assert (logits.grad != 0).tolist() == [[True, False, True, True, False]]


def test_a_row_that_keeps_no_negative_adds_nothing():
    loss = objective(k=3, margin=0.1, temperature=0.1)
    logits = torch.tensor([[1.0, 2.0, 9.0, 9.0]]).requires_grad_()
    right, valid = torch.tensor([[0.5, 0.5, 0, 0]]), torch.ones(1, 4, dtype=torch.bool)
    found = loss.row_losses(logits, right, valid)
    found.sum().backward()
    assert found.tolist() == [0.0]
    assert torch.equal(logits.grad, torch.zeros(1, 4))


def test_equal_texts_are_right_answers_and_leave_room_for_others():
    content = {"a": torch.arange(6), "b": torch.tensor([0, 0, 1, 2, 3, 4])}
    same = torch.ones(6, 16)
    found = objective(k=2, targets="same_text")(encoded(same, same), items(6, content), Step())
    expected = (2 * math.log(4) + 4 * math.log(3)) / 6
    assert found.total.item() == pytest.approx(expected, abs=1e-6)
