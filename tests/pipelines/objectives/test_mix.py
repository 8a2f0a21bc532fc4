"""Known answers of the mixing objective: what is mixed, with whom, and what then is right."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import normalize

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.mix import MixOptions
from pipelines.objectives.mix_loss import Mix, beta_parts
from pipelines.objectives.objective import Encoded, Items, Step

EDGE = (Edge("a", ("b",)),)
ALL = slice(None)
EARLY, LATE = Step(progress=0.0, seed=3), Step(progress=0.9, seed=3)


def objective(**options):
    return Mix(MixOptions(**options), EDGE, Shapes(16))


def items(count, group=None):
    rows = torch.arange(count)
    return Items(rows, rows if group is None else group, {"a": rows, "b": rows})


def batch(count=12, present=None):
    source = torch.Generator().manual_seed(0)
    emb = {k: torch.randn(count, 16, generator=source) for k in "ab"}
    there = torch.ones(count, dtype=torch.bool)
    return Encoded(emb, {"a": there, "b": there, **(present or {})})


def soft_targets(unit, temperature, most=0.3):
    """Return (B, B) targets: likeness to a row's partner, of which others hold `most` at most."""
    likeness = ((unit @ unit.T - 1) / temperature).exp().fill_diagonal_(0.0)
    least = (most / (1 - most) / likeness.sum(1)).clamp(max=1.0)
    weights = likeness * torch.minimum(least[:, None], least[None]) + torch.eye(len(unit))
    return weights / weights.sum(1, keepdim=True)


def test_other_targets_and_scores_are_refused():
    with pytest.raises(ValidationError, match="targets"):
        MixOptions(targets="same_text")
    with pytest.raises(ValidationError, match="score"):
        MixOptions(score="volume")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("sides", ["query", "both"])
def test_without_mixing_it_is_the_contrastive_loss(sides, smoothing):
    present = {"b": torch.arange(12) != 4}
    shared = {"temperature": 0.1, "smoothing": smoothing}
    plain = Contrastive(ContrastiveOptions(**shared), EDGE, Shapes(16))
    found = objective(share=0.0, sides=sides, **shared)(batch(12, present), items(12), EARLY).total
    expected = plain(batch(12, present), items(12), EARLY).total
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("mixed_query", [True, False])
def test_weights_of_right_answers_are_the_parts_of_the_mixture(mixed_query):
    encoded = batch()
    pairs = objective(share=1.0, beta=1.0).mixed(encoded, items(12), EARLY, 0, mixed_query)
    weights = pairs.right(ALL, ALL) if mixed_query else pairs.right(ALL, ALL).T
    name, other = ("a", "b") if mixed_query else ("b", "a")
    side, plain = (pairs.query, pairs.candidate) if mixed_query else (pairs.candidate, pairs.query)
    torch.testing.assert_close(weights.sum(1), torch.ones(12))
    torch.testing.assert_close(side.vectors[name], weights @ encoded.emb[name])
    assert torch.equal(plain.vectors[other], encoded.emb[other])
    assert (weights > 0).sum(1).tolist() == [2] * 12


def test_both_ways_are_the_published_cross_entropies():
    loss = objective(share=1.0, sides="query", temperature=0.2)
    pairs = loss.mixed(batch(), items(12), EARLY, 0, True)
    weights = pairs.right(ALL, ALL)
    a, b = (
        normalize(s.vectors[k], dim=-1) for s, k in ((pairs.query, "a"), (pairs.candidate, "b"))
    )
    rows, columns = ((a @ b.T / 0.2).log_softmax(dim) for dim in (1, 0))
    expected = -0.5 * ((weights * rows).sum() + (weights * columns).sum()) / 12
    found = loss(batch(), items(12), EARLY).total
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)


def test_parts_follow_the_beta_distribution_for_a_share_of_the_rows():
    drawn = (torch.arange(20000, dtype=torch.float64) + 0.5) / 20000
    parts = beta_parts(drawn, share=0.25, beta=0.15)
    mixed = parts[drawn < 0.25].double()
    assert torch.equal(parts[drawn >= 0.25], torch.ones(15000))
    assert mixed.mean().item() == pytest.approx(0.5, abs=1e-3)
    assert mixed.var().item() == pytest.approx(1 / (4 * (2 * 0.15 + 1)), abs=1e-3)
    assert bool((parts > 0).all())


def test_partners_are_drawn_anew_each_step_and_do_not_follow_the_order_of_rows():
    def partners(step, order):
        encoded = batch()
        moved = Encoded({k: v[order] for k, v in encoded.emb.items()}, encoded.present)
        known = Items(order, order, {})
        weights = objective(share=1.0).mixed(moved, known, step, 0, True).right(ALL, ALL)
        return {
            int(order[i]): {int(order[j]) for j in row.nonzero()} for i, row in enumerate(weights)
        }

    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    assert partners(EARLY, torch.arange(12)) == partners(EARLY, order)
    assert partners(EARLY, torch.arange(12)) != partners(Step(number=1, seed=3), torch.arange(12))


def test_only_rows_that_hold_both_sides_are_mixed():
    present = {"a": torch.arange(12) != 2, "b": torch.arange(12) != 5}
    pairs = objective(share=1.0).mixed(batch(12, present), items(12), EARLY, 0, True)
    weights = pairs.right(ALL, ALL)
    for row in (2, 5):
        assert weights[row, row] == 1
        assert weights[:, row].sum() == 1


def test_rows_of_one_group_are_mixed_only_where_groups_are_not_excluded():
    one = torch.zeros(12, dtype=torch.int64)
    apart = objective(share=1.0).mixed(batch(), items(12, one), EARLY, 0, True)
    together = objective(share=1.0, exclude_same_group=False)
    assert torch.equal(apart.right(ALL, ALL), torch.eye(12))
    pairs = together.mixed(batch(), items(12, one), EARLY, 0, True)
    weights, valid = pairs.block(ALL, ALL)
    assert (weights > 0).sum().item() == 24
    assert bool(valid.all())


@pytest.mark.parametrize("mixed_query", [True, False])
def test_rows_of_the_group_mixed_in_are_no_negatives(mixed_query):
    group = torch.arange(12) // 2
    pairs = objective(share=1.0).mixed(batch(), items(12, group), EARLY, 0, mixed_query)
    weights, valid = pairs.block(ALL, ALL)
    if not mixed_query:
        weights, valid = weights.T, valid.T
    for row in range(12):
        held = {int(group[j]) for j in weights[row].nonzero()}
        for column in range(12):
            right = bool(weights[row, column] > 0)
            assert bool(valid[row, column]) == (right or int(group[column]) not in held)
    turned = pairs.other_way().block(ALL, ALL)
    for one, other in zip(turned, pairs.block(ALL, ALL), strict=True):
        assert torch.equal(one, other.T)


def test_a_single_row_is_left_as_it_is():
    assert objective(share=1.0)(batch(1), items(1), EARLY).total.item() == 0.0


def test_after_its_share_of_the_training_targets_are_soft():
    encoded = batch()
    loss = objective(sides="query", temperature=0.2, soft_temperature=0.3, until=0.5)
    a, b = (normalize(encoded.emb[k], dim=-1) for k in "ab")
    soft = soft_targets(b, 0.3)
    logits = a @ b.T / 0.2
    expected = -0.5 * (
        (soft * logits.log_softmax(1)).sum() + (soft * logits.T.log_softmax(1)).sum()
    )
    found = loss(encoded, items(12), Step(progress=0.5)).total
    assert found.item() == pytest.approx(expected.item() / 12, abs=1e-5)
    before = loss(encoded, items(12), Step(progress=0.49)).total
    assert before.item() != pytest.approx(found.item(), abs=1e-3)


def test_no_gradient_flows_through_soft_targets():
    encoded = batch()
    b = encoded.emb["b"].requires_grad_()
    objective(sides="query", temperature=0.2)(encoded, items(12), LATE).total.backward()
    unit = normalize(b.detach(), dim=-1)
    soft = soft_targets(unit, 0.125)
    copy = b.detach().clone().requires_grad_()
    logits = normalize(encoded.emb["a"], dim=-1) @ normalize(copy, dim=-1).T / 0.2
    fixed = (soft * logits.log_softmax(1)).sum() + (soft * logits.T.log_softmax(1)).sum()
    (-0.5 * fixed / 12).backward()
    torch.testing.assert_close(b.grad, copy.grad, atol=1e-6, rtol=1e-4)


def test_softly_right_rows_of_one_group_are_left_out():
    one = torch.zeros(12, dtype=torch.int64)
    assert objective()(batch(), items(12, one), LATE).total.item() == pytest.approx(0.0, abs=1e-6)


def test_identical_vectors_cost_log_b_before_and_after():
    same = Encoded({k: torch.ones(16, 8) for k in "ab"}, batch(16).present)
    for step in (EARLY, LATE):
        found = objective()(same, items(16), step).total
        assert found.item() == pytest.approx(math.log(16), abs=1e-5)
