"""Known answers of contrary texts: only for their own row, and only where the columns are texts."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import normalize

from pipelines.objectives.contrary import CONTRARY, ContraryOptions
from pipelines.objectives.contrary_loss import Contradicted
from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Contrary, Encoded, Items, Step

EDGE = (Edge("ecg", ("report",)),)
WIDTH = 8


def objective(edges=EDGE, **options):
    return Contradicted(ContraryOptions(**options), edges, Shapes(WIDTH))


def items(count):
    ids = torch.arange(count)
    return Items(ids, ids, {"ecg": ids, "report": ids})


def encoded(ecg, report, present=None):
    full = {name: torch.ones(len(ecg), dtype=torch.bool) for name in ("ecg", "report")}
    return Encoded({"ecg": ecg, "report": report}, {**full, **(present or {})})


def random(*shape, seed=0):
    return torch.randn(*shape, WIDTH, generator=torch.Generator().manual_seed(seed))


def said(emb, present=None):
    there = torch.ones(emb.shape[:2], dtype=torch.bool) if present is None else present
    return Step(contrary={"report": Contrary(emb, there)})


def test_scores_of_tokens_are_refused():
    with pytest.raises(ValidationError, match="tokens"):
        ContraryOptions(score="late")


def test_contrary_texts_are_asked_for():
    assert CONTRARY.needed(ContraryOptions()) == {"contrary"}


def test_without_contrary_texts_it_is_the_contrastive_loss():
    batch = encoded(random(5), random(5, seed=1))
    plain = Contrastive(ContrastiveOptions(), EDGE, Shapes(WIDTH))(batch, items(5), Step()).total
    nothing = said(random(5, 3), torch.zeros(5, 3, dtype=torch.bool))
    for step in (Step(), nothing):
        found = objective()(batch, items(5), step).total
        assert found.item() == pytest.approx(plain.item(), abs=1e-6)


@pytest.mark.parametrize("edges", [EDGE, (Edge("report", ("ecg",)),)])
def test_equal_scores_cost_log_of_batch_and_contrary_texts_in_one_direction(edges):
    same = torch.ones(6, WIDTH)
    found = objective(edges)(encoded(same, same), items(6), said(torch.ones(6, 3, WIDTH))).total
    expected = (math.log(6 + 3) + math.log(6)) / 2
    assert found.item() == pytest.approx(expected, abs=1e-5)


def test_a_row_meets_only_the_contrary_texts_of_its_own_text():
    count = 70
    query, text, other = random(count), random(count, seed=1), random(count, 2, seed=2)
    present = torch.arange(count)[:, None] % 3 > torch.arange(2)
    a, b, c = (normalize(v, dim=-1) for v in (query, text, other))
    own = torch.einsum("id,ikd->ik", a, c).masked_fill(~present, float("-inf"))
    rows = torch.cat([a @ b.T, own], dim=1) / 0.5
    place = torch.arange(count)
    cost = torch.nn.functional.cross_entropy
    expected = (cost(rows, place) + cost(b @ a.T / 0.5, place)) / 2
    loss = objective(temperature=0.5)
    found = loss(encoded(query, text), items(count), said(other, present)).total
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)


def test_a_row_learns_to_leave_its_contrary_text():
    vectors = random(4).requires_grad_()
    other = random(4, 1, seed=2)
    objective()(encoded(vectors, random(4, seed=1)), items(4), said(other)).total.backward()
    closer = normalize(vectors.detach() - 0.01 * vectors.grad, dim=1) * normalize(
        other[:, 0], dim=1
    )
    before = (normalize(vectors.detach(), dim=1) * normalize(other[:, 0], dim=1)).sum(1)
    plain = random(4).requires_grad_()
    objective()(encoded(plain, random(4, seed=1)), items(4), Step()).total.backward()
    without = normalize(plain.detach() - 0.01 * plain.grad, dim=1) * normalize(other[:, 0], dim=1)
    assert (closer.sum(1) - before).mean() < (without.sum(1) - before).mean()


def test_contrary_texts_get_a_gradient_and_those_of_absent_rows_none():
    other = random(4, 2, seed=2).requires_grad_()
    present = {"report": torch.tensor([True, True, False, True])}
    batch = encoded(random(4), random(4, seed=1), present)
    objective()(batch, items(4), said(other)).total.backward()
    assert bool((other.grad[0] != 0).any())
    assert torch.equal(other.grad[2], torch.zeros(2, WIDTH))
