"""Known answers of the loss without negatives that predicts the averaged towers."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from pipelines.objectives.byol import BYOL, ByolOptions
from pipelines.objectives.byol_loss import Byol, distance
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items, Step

EDGE = (Edge("ecg", ("report",)),)
WIDTH = 6


def objective(straight=True, **options):
    torch.manual_seed(0)
    loss = Byol(ByolOptions(**options), EDGE, Shapes(WIDTH))
    if straight:
        loss.predictors = nn.ModuleList([nn.Identity(), nn.Identity()])
    return loss


def items(count):
    return Items(torch.arange(count), torch.arange(count))


def encoded(ecg, report, present=None):
    full = {name: torch.ones(len(ecg), dtype=torch.bool) for name in ("ecg", "report")}
    return Encoded({"ecg": ecg, "report": report}, {**full, **(present or {})})


def random(count, seed=0):
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("options", [{"cross": 1.1}, {"hidden": 0}, {"ema_decay": -0.1}])
def test_options_outside_their_range_are_refused(options):
    with pytest.raises(ValidationError):
        ByolOptions(**options)


@pytest.mark.parametrize("views", [False, True])
def test_without_the_averaged_towers_it_refuses(views):
    step = Step(ema=encoded(random(2), random(2))) if views else Step()
    with pytest.raises(ValueError, match="ema"):
        objective(views=views)(encoded(random(2), random(2)), items(2), step)


def test_second_views_are_asked_for_only_when_used():
    assert BYOL.needed(ByolOptions()) == {"ema"}
    assert BYOL.needed(ByolOptions(views=True)) == {"ema", "views"}


@pytest.mark.parametrize(("other", "expected"), [(1, 0.0), (0, 2.0), (-1, 4.0)])
def test_the_distance_is_0_2_or_4(other, expected):
    one = torch.tensor([[3.0, 0.0]])
    two = torch.tensor([[float(other), 0.0 if other else 5.0]])
    assert distance(one, two).item() == pytest.approx(expected, abs=1e-6)


def test_no_gradient_reaches_the_target():
    one, two = random(3).requires_grad_(), random(3, 1).requires_grad_()
    distance(one, two).sum().backward()
    assert two.grad is None
    assert bool((one.grad != 0).any())


@pytest.mark.parametrize(("cross", "expected"), [(1.0, 4.0), (0.0, 2.0), (0.25, 2.5)])
def test_cross_weighs_terms_between_modalities_against_those_within(cross, expected):
    # the target of the other modality is opposite, the target of the same orthogonal
    axis = torch.eye(WIDTH)
    batch = encoded(axis[:1], axis[1:2])
    target = encoded(-axis[1:2], -axis[:1])
    found = objective(cross=cross)(batch, items(1), Step(ema=target)).total
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_with_views_the_target_is_the_other_view():
    a = random(4)
    step = Step(ema=encoded(-a, -a), ema_second=encoded(a, a))
    batch = encoded(a, a)
    assert objective(views=True)(batch, items(4), step).total.item() == pytest.approx(0, abs=1e-6)
    assert objective()(batch, items(4), step).total.item() == pytest.approx(4.0, abs=1e-6)


def test_rows_that_lack_a_side_are_left_out():
    target = encoded(random(5, 2), random(5, 3))
    present = {"report": torch.tensor([True, True, False, True, False])}
    batch = encoded(random(5), random(5, 1), present)
    kept = torch.tensor([0, 1, 3])
    small = encoded(*(v[kept] for v in batch.emb.values()))
    step = Step(ema=encoded(*(v[kept] for v in target.emb.values())))
    whole = objective(straight=False)(batch, items(5), Step(ema=target)).total
    less = objective(straight=False)(small, items(3), step).total
    assert whole.item() == pytest.approx(less.item(), abs=1e-6)


def test_gradients_of_parts_of_a_batch_add_up_to_the_whole():
    batch, target = (encoded(random(6, s), random(6, s + 1)) for s in (0, 2))

    def gradients(parts):
        loss = objective(straight=False, hidden=8)
        for rows in parts:
            some, goal = (encoded(*(v[rows] for v in e.emb.values())) for e in (batch, target))
            out = loss(some, items(len(some.emb["ecg"])), Step(ema=goal)).total
            (out * len(some.emb["ecg"]) / 6).backward()
        return [p.grad for p in loss.parameters()]

    whole = gradients([slice(0, 6)])
    for one, two in zip(whole, gradients([slice(0, 2), slice(2, 6)]), strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-5)


def test_collapsed_vectors_are_seen_in_the_logs():
    step = Step(ema=encoded(random(6), random(6)))
    flat, wide = torch.ones(6, WIDTH), torch.eye(WIDTH)
    collapsed = objective()(encoded(flat, flat), items(6), step).logs
    spread = objective()(encoded(wide, wide), items(6), step).logs
    assert collapsed["spread/ecg-report"] == pytest.approx(0.0, abs=1e-3)
    assert spread["rank/ecg-report"] == pytest.approx(WIDTH - 1, abs=1e-3)
