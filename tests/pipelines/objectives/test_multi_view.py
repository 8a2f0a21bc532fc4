"""Known answers of the multi-view objectives."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import normalize

from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.multi_view import MV_DHEL, MV_INFONCE, MvDhelOptions, MvInfoNceOptions
from pipelines.objectives.objective import Encoded, Items, Step

NAMES = "abcd"
BOTH = [MV_INFONCE, MV_DHEL]


def objective(entry, views=3, **options):
    edges = [Edge("a", (name,)) for name in NAMES[1:views]]
    return entry.build(entry.options(**options), edges, Shapes(16))


def items(count, group=None):
    rows = torch.arange(count)
    return Items(rows, rows if group is None else group)


def batch(vectors, present=None):
    """Return (V, B, D) vectors as a batch."""
    emb = dict(zip(NAMES, vectors, strict=False))
    full = {k: torch.ones(len(v), dtype=torch.bool) for k, v in emb.items()}
    return Encoded(emb, {**full, **(present or {})})


def random(views, count, seed=0):
    return torch.randn(views, count, 16, generator=torch.Generator().manual_seed(seed))


def loss(entry, encoded, known, views=3, **options):
    return objective(entry, views, **options)(encoded, known, Step()).total


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValidationError, match="temperature"):
        MvInfoNceOptions(temperature=0.0)
    with pytest.raises(ValidationError, match="temperature"):
        MvDhelOptions(temperature=-1.0)


@pytest.mark.parametrize("views", [2, 3, 4])
def test_identical_views_cost_infonce_the_closed_form(views):
    same = batch(torch.ones(views, 20, 16))
    found = loss(MV_INFONCE, same, items(20), views)
    expected = math.log((20 * views - 1) / (views - 1))
    assert found.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("views", [2, 3, 4])
def test_identical_views_cost_dhel_the_closed_form(views):
    same = batch(torch.ones(views, 20, 16))
    found = loss(MV_DHEL, same, items(20), views, temperature=0.2)
    pairs = views * (views - 1) / 2
    expected = views * math.log(19) + (views - 1) / 0.2 - math.log(pairs)
    assert found.item() == pytest.approx(expected, abs=1e-4)


def published(vectors, temperature):
    """Both formulas with their exponentials, in float64, one record at a time."""
    unit = normalize(vectors.double(), dim=-1)
    views, count, _ = unit.shape
    power = torch.einsum("uid,vjd->uivj", unit, unit).div(temperature).exp()
    info, dhel = [], []
    for i in range(count):
        pairs = sum(power[u, i, v, i] for u in range(views) for v in range(u + 1, views))
        every = power[:, i].sum() - sum(power[u, i, u, i] for u in range(views))
        apart = math.prod(power[v, i, v].sum() - power[v, i, v, i] for v in range(views))
        info.append(-(2 * pairs / every).log())
        dhel.append(-(pairs / apart).log())
    return torch.stack(info).mean().item(), torch.stack(dhel).mean().item()


def test_both_are_the_published_formulas():
    vectors = random(3, 7)
    found = [loss(e, batch(vectors), items(7), temperature=0.3).item() for e in BOTH]
    assert found == pytest.approx(published(vectors, 0.3), abs=1e-5)


@pytest.mark.parametrize("entry", BOTH)
def test_low_temperatures_do_not_overflow(entry):
    vectors = torch.ones(4, 256, 16).requires_grad_()
    found = loss(entry, batch(vectors), items(256), 4, temperature=0.01)
    found.backward()
    assert math.isfinite(found.item())
    assert bool(vectors.grad.isfinite().all())


@pytest.mark.parametrize("entry", BOTH)
def test_rows_with_fewer_than_two_views_are_left_out(entry):
    vectors = random(3, 8)
    gone = {"b": torch.arange(8) < 6, "c": torch.arange(8) < 6}
    part = loss(entry, batch(vectors, gone), items(8))
    assert part.item() == pytest.approx(
        loss(entry, batch(vectors[:, :6]), items(6)).item(), abs=1e-6
    )


@pytest.mark.parametrize("entry", BOTH)
def test_an_absent_view_is_no_pair_and_nobodys_negative(entry):
    vectors = random(3, 8).requires_grad_()
    gone = {"c": torch.arange(8) != 3}
    known = loss(entry, batch(vectors, gone), items(8))
    known.backward()
    assert torch.equal(vectors.grad[2, 3], torch.zeros(16))
    moved = vectors.detach().clone()
    moved[2, 3] = 50.0
    assert loss(entry, batch(moved, gone), items(8)).item() == known.item()


def test_a_view_that_no_other_record_has_is_no_factor():
    vectors, only = random(3, 6), {"c": torch.arange(6) == 2}
    rest = loss(MV_DHEL, batch(vectors[:2]), items(6), 2, temperature=0.3).item()
    found = loss(MV_DHEL, batch(vectors, only), items(6), temperature=0.3).item()
    unit = normalize(vectors[:, 2], dim=-1)
    pairs = [float((unit[u] @ unit[v] / 0.3).exp()) for u, v in ((0, 1), (0, 2), (1, 2))]
    more = math.log(sum(pairs)) - math.log(pairs[0])
    assert found == pytest.approx(rest - more / 6, abs=1e-5)


@pytest.mark.parametrize("entry", BOTH)
def test_rows_of_one_group_are_never_compared(entry):
    vectors, group = random(3, 6).requires_grad_(), torch.zeros(6, dtype=torch.int64)
    objective(entry)(batch(vectors), items(6, group), Step()).terms["views"].backward()
    together = vectors.grad.clone()
    alone = torch.stack([
        torch.autograd.grad(loss(entry, batch(vectors[:, i : i + 1]), items(1)), vectors)[0][:, i]
        for i in range(6)
    ], dim=1)  # fmt: skip
    torch.testing.assert_close(together, alone / 6, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("entry", BOTH)
def test_many_blocks_give_what_one_gives(entry, monkeypatch):
    vectors = random(3, 20).requires_grad_()
    whole = torch.autograd.grad(loss(entry, batch(vectors), items(20)), vectors)[0]
    monkeypatch.setattr("pipelines.objectives.multi_view_loss.BLOCK", 9)
    parts = torch.autograd.grad(loss(entry, batch(vectors), items(20)), vectors)[0]
    torch.testing.assert_close(parts, whole, atol=1e-7, rtol=1e-4)


def test_a_batch_without_two_views_has_no_term():
    gone = {k: torch.zeros(4, dtype=torch.bool) for k in "bc"}
    assert objective(MV_INFONCE)(batch(random(3, 4), gone), items(4), Step()).terms == {}
