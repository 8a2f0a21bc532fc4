"""Known answers of the sigmoid objective, fused and block by block."""

import math
from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import logsigmoid, normalize

from pipelines.objectives import fused_sigmoid, pairs, sigmoid_loss
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items, Step
from pipelines.objectives.sigmoid import SigmoidOptions
from pipelines.objectives.sigmoid_loss import Sigmoid
from pipelines.objectives.targets import rule

EDGE = Edge("a", ("b",))
COUNT, WIDTH = 45, 16
TARGETS = {
    "identity": {},
    "same_text": {"targets": "same_text"},
    "same_label": {"targets": "same_label", "label": "finding"},
    "soft": {"targets": "soft", "soft_from": "b"},
}


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch):
    """Cut even a small table into many uneven tiles."""
    monkeypatch.setattr(fused_sigmoid, "ROWS", 11)
    monkeypatch.setattr(fused_sigmoid, "COLUMNS", 7)
    monkeypatch.setattr(pairs, "BLOCK", 16)


def batch(count=COUNT):
    source = torch.Generator().manual_seed(0)
    number = torch.arange(count)
    present = {"a": number % 7 != 3, "b": number % 5 != 1}
    emb = {k: torch.randn(count, WIDTH, generator=source) * present[k][:, None] for k in "ab"}
    label = (number[:, None] + torch.arange(6)) % 9 == 0
    content = {"a": number, "b": number // 2}
    return Encoded(emb, present), Items(number, number // 2 * 2 % 30, content, label)


def dense(options, encoded, items):
    """Return loss and gradients in float64 as the paper writes them, with signs of +1 and -1."""
    every = slice(0, len(items.ids))
    there = encoded.present["a"][:, None] & encoded.present["b"][None, :]
    right = rule(options, encoded, items, EDGE)(every, every).double() * there
    rows, columns = right.sum(1) > 0, right.sum(0) > 0
    valid = rows[:, None] & columns[None, :]
    valid &= ~((items.group[:, None] == items.group[None, :]) & (right == 0))
    log_scale = torch.tensor(1 / options.temperature, dtype=torch.float64).log().requires_grad_()
    bias = torch.tensor(options.bias, dtype=torch.float64, requires_grad=True)
    a, b = (encoded.emb[k].double().requires_grad_() for k in "ab")
    x = normalize(a, dim=1) @ normalize(b, dim=1).T * log_scale.exp() + bias
    yes = (1 - options.smoothing) * right + options.smoothing / 2
    cost = -yes * logsigmoid(x) - (1 - yes) * logsigmoid(-x)
    loss = torch.where(valid, cost, 0.0).sum() / rows.sum()
    return loss.item(), torch.autograd.grad(loss, [a, b, log_scale, bias])


def found(options, encoded, items, step=None):
    a, b = (encoded.emb[k].clone().requires_grad_() for k in "ab")
    objective = Sigmoid(options, [EDGE], Shapes(WIDTH))
    loss = objective(replace(encoded, emb={"a": a, "b": b}), items, step or Step()).total
    wanted = [a, b, objective.log_scale, objective.bias]
    return loss.item(), torch.autograd.grad(loss, wanted)


def assert_close(one, two):
    assert one[0] == pytest.approx(two[0], rel=1e-6, abs=1e-6)
    for first, second in zip(one[1], two[1], strict=True):
        first, second = first.double().reshape(-1), second.double().reshape(-1)
        assert (first - second).norm() <= 1e-5 * second.norm() + 2e-7


def test_graded_targets_are_refused():
    with pytest.raises(ValidationError, match="asks of each pair alone"):
        SigmoidOptions(targets="graded", ranks=("order", "species"))


def test_equal_scores_cost_log_two_a_pair_without_bias():
    same = torch.zeros(8, WIDTH)
    there = {k: torch.ones(8, dtype=torch.bool) for k in "ab"}
    ids = torch.arange(8)
    objective = Sigmoid(SigmoidOptions(bias=0.0), [EDGE], Shapes(WIDTH))
    loss = objective(Encoded({"a": same, "b": same}, there), Items(ids, ids), Step()).total
    assert loss.item() == pytest.approx(8 * math.log(2), rel=1e-6)


def test_at_the_start_the_bias_makes_wrong_pairs_cheap():
    options = SigmoidOptions()
    assert (options.bias, 1 / options.temperature) == (-10.0, pytest.approx(10.0))
    encoded, items = batch()
    assert found(options, encoded, items)[0] < found(SigmoidOptions(bias=0.0), encoded, items)[0]


@pytest.mark.parametrize("way", ["fused", "blockwise"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("targets", TARGETS)
def test_it_equals_the_dense_table_in_float64(monkeypatch, targets, smoothing, way):
    if way == "blockwise":
        monkeypatch.setattr(sigmoid_loss, "fits", lambda pairs: False)
    options = SigmoidOptions(**TARGETS[targets], smoothing=smoothing, bias=-2.0)
    encoded, items = batch()
    assert_close(found(options, encoded, items), dense(options, encoded, items))


@pytest.mark.parametrize("targets", TARGETS)
def test_shares_add_up(targets):
    options = SigmoidOptions(**TARGETS[targets], smoothing=0.1, bias=-2.0)
    encoded, items = batch()
    parts = [found(options, encoded, items, Step(rank=r, world=3)) for r in range(3)]
    total = sum(p[0] for p in parts), [sum(g) for g in zip(*(p[1] for p in parts), strict=True)]
    assert_close(total, dense(options, encoded, items))


def test_a_fixed_bias_is_no_parameter_to_learn():
    objective = Sigmoid(SigmoidOptions(learn_bias=False), [EDGE], Shapes(WIDTH))
    assert not objective.bias.requires_grad
