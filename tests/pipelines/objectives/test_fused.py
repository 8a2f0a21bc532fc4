"""The fused loss against the block-wise one and against float64, loss and gradients."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from example_world import ask, make_worlds
from torch.nn.functional import normalize

from pipelines.objectives import contrastive_loss, fused, pairs
from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.fused_answers import Few, Many
from pipelines.objectives.objective import Encoded, Items, Step
from pipelines.objectives.targets import rule

EDGE = Edge("a", ("b",))
COUNT, WIDTH = 45, 16
TARGETS = {
    "identity": {},
    "same_text": {"targets": "same_text"},
    "same_label": {"targets": "same_label", "label": "finding"},
    "graded": {"targets": "graded", "ranks": ("order", "family", "species")},
    "soft": {"targets": "soft", "soft_from": "b"},
}


class Blockwise(Contrastive):
    """The same loss; an overridden hook keeps it from being fused."""

    def row_losses(self, logits, targets, valid):
        return super().row_losses(logits, targets, valid)


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch):
    """Cut even a small table into many uneven tiles."""
    monkeypatch.setattr(fused, "ROWS", 11)
    monkeypatch.setattr(fused, "COLUMNS", 7)
    monkeypatch.setattr(pairs, "BLOCK", 16)


def batch(*, absent=True, groups=True, duplicates=False, count=COUNT, seed=0):
    source = torch.Generator().manual_seed(seed)
    number = torch.arange(count)
    centre = torch.randn(count, WIDTH, generator=source)
    emb = {k: centre + 0.7 * torch.randn(count, WIDTH, generator=source) for k in "ab"}
    if duplicates:
        emb["a"][: count // 2] = emb["b"][: count // 2] = emb["a"][0]
    present = {"a": number % 7 != 3, "b": number % 5 != 1}
    if not absent:
        present = {k: torch.ones(count, dtype=torch.bool) for k in "ab"}
    emb = {k: v * present[k][:, None] for k, v in emb.items()}
    content = {"a": number, "b": number // 2}
    label = (number[:, None] + torch.arange(6)) % 9 == 0
    ranks = torch.stack([number // 20, number // 8, number // 3], dim=1)
    group = number // 2 * 2 % 30 if groups else number
    return Encoded(emb, present), Items(number, group, content, label, ranks)


def dense(options, encoded, items):
    """Return loss and gradients in float64, every table whole."""
    every = slice(0, len(items.ids))
    right = rule(options, encoded, items, EDGE)(every, every).double()
    there = encoded.present["a"][:, None] & encoded.present["b"][None, :]
    right = right * there
    used = right.sum(1) > 0, right.sum(0) > 0
    valid = used[0][:, None] & used[1][None, :]
    if options.exclude_same_group:
        valid &= ~((items.group[:, None] == items.group[None, :]) & (right == 0))
    log_scale = torch.tensor(1 / options.temperature, dtype=torch.float64).log().requires_grad_()
    a, b = (encoded.emb[k].double().requires_grad_() for k in "ab")
    scores = normalize(a, dim=1) @ normalize(b, dim=1).T * log_scale.exp()
    losses = []
    for s, t, v, u in ((scores, right, valid, used[0]), (scores.T, right.T, valid.T, used[1])):
        t, v = (t / t.sum(1, keepdim=True))[u], v[u]
        t = (1 - options.smoothing) * t + options.smoothing * v / v.sum(1, keepdim=True)
        log_p = s[u].masked_fill(~v, -math.inf).log_softmax(1).masked_fill(~v, 0.0)
        losses.append(-(t * log_p).sum(1).mean())
    loss = 0.5 * (losses[0] + losses[1])
    return loss.item(), torch.autograd.grad(loss, [a, b, log_scale])


def found(kind, options, encoded, items, step=None):
    """Return loss and gradients of an objective."""
    a, b = (encoded.emb[k].clone().requires_grad_() for k in "ab")
    objective = kind(options, [EDGE], Shapes(WIDTH))
    term = objective(replace(encoded, emb={"a": a, "b": b}), items, step or Step()).total
    return term.item(), torch.autograd.grad(term, [a, b, objective.log_scale])


def assert_close(one, two, value=1e-6, slope=1e-5):
    """Check both to a relative error, beside what float32 rounds off a loss of size one."""
    assert one[0] == pytest.approx(two[0], rel=value, abs=value)
    for first, second in zip(one[1], two[1], strict=True):
        first, second = first.double().reshape(-1), second.double().reshape(-1)
        assert (first - second).norm() <= slope * second.norm() + 2e-7


def refuse(*_):
    raise AssertionError("not fused")


CASES = list(itertools.product(TARGETS, [False, True], [False, True], [0.0, 0.1]))


@pytest.mark.parametrize(("targets", "absent", "groups", "smoothing"), CASES)
def test_it_equals_the_dense_table_in_float64(monkeypatch, targets, absent, groups, smoothing):
    options = ContrastiveOptions(**TARGETS[targets], smoothing=smoothing)
    encoded, items = batch(absent=absent, groups=groups)
    exact = dense(options, encoded, items)
    assert_close(found(Blockwise, options, encoded, items), exact)
    monkeypatch.setattr(Contrastive, "direction", refuse)
    assert_close(found(Contrastive, options, encoded, items), exact)


@pytest.mark.parametrize("targets", TARGETS)
def test_duplicates_cost_the_same(targets):
    options = ContrastiveOptions(**TARGETS[targets])
    encoded, items = batch(duplicates=True)
    assert_close(found(Contrastive, options, encoded, items), dense(options, encoded, items))


@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("world", [2, 3, 50])
def test_shares_add_up(targets, world):
    options = ContrastiveOptions(**TARGETS[targets], smoothing=0.1)
    encoded, items = batch()
    parts = [found(Contrastive, options, encoded, items, Step(rank=r, world=world))
             for r in range(world)]  # fmt: skip
    total = sum(p[0] for p in parts), [sum(g) for g in zip(*(p[1] for p in parts), strict=True)]
    assert_close(total, dense(options, encoded, items), value=3e-6)


def test_lists_and_tables_of_answers_give_the_same(monkeypatch):
    options = ContrastiveOptions(**TARGETS["same_text"], smoothing=0.1)
    encoded, items = batch()
    kinds = []
    original = fused.answers_of
    monkeypatch.setattr(fused, "answers_of", lambda *a: kinds.append(original(*a)) or kinds[-1])
    few = found(Contrastive, options, encoded, items)
    monkeypatch.setattr(pairs, "FEW", 0)
    many = found(Contrastive, options, encoded, items)
    assert [type(k) for k in kinds] == [Few, Many]
    assert_close(few, many)


@pytest.mark.parametrize("scale", [1.0, 40.0, 70.0, 100.0, 400.0])
@pytest.mark.parametrize("targets", ["identity", "soft"])
def test_no_scale_overflows(scale, targets):
    options = ContrastiveOptions(**TARGETS[targets], temperature=1 / scale)
    encoded, items = batch()
    slope = 1e-5 if scale < 200 else 1e-4
    assert_close(found(Contrastive, options, encoded, items), dense(options, encoded, items),
                 value=5e-6, slope=slope)  # fmt: skip


def test_a_row_too_far_from_every_column_takes_the_other_way(monkeypatch):
    options = ContrastiveOptions(temperature=0.01)
    encoded, items = batch(absent=False, groups=False)
    encoded.emb["b"][:] = torch.ones(WIDTH) + 0.01 * encoded.emb["b"]
    encoded.emb["a"][0] = -1.0
    exact = dense(options, encoded, items)
    tried = []
    original = contrastive_loss.fused_loss
    monkeypatch.setattr(contrastive_loss, "fused_loss",
                        lambda *a: tried.append(original(*a)) or tried[-1])  # fmt: skip
    assert_close(found(Contrastive, options, encoded, items), exact, value=1e-5)
    assert tried == [None]


def test_a_weighted_term_has_weighted_gradients():
    encoded, items = batch()
    a = encoded.emb["a"].clone().requires_grad_()
    objective = Contrastive(ContrastiveOptions(), [EDGE], Shapes(WIDTH))
    loss = objective(replace(encoded, emb={**encoded.emb, "a": a}), items, Step()).total
    (once,) = torch.autograd.grad(loss, a, retain_graph=True)
    (thrice,) = torch.autograd.grad(3 * loss, a, retain_graph=True)
    (again,) = torch.autograd.grad(loss, a)
    torch.testing.assert_close(thrice, 3 * once)
    assert torch.equal(again, once)


def test_without_gradients_the_loss_is_the_same():
    options = ContrastiveOptions(**TARGETS["graded"])
    encoded, items = batch()
    objective = Contrastive(options, [EDGE], Shapes(WIDTH))
    expected = objective(encoded, items, Step()).total.item()
    with torch.no_grad():
        assert objective(encoded, items, Step()).total.item() == expected


@pytest.mark.parametrize("hook", ["direction", "further", "row_losses", "_block"])
def test_a_subclass_that_changes_what_a_row_costs_is_not_fused(monkeypatch, hook):
    class Changed(Contrastive):
        pass

    inherited = getattr(Contrastive, hook)
    setattr(Changed, hook, lambda self, *args: inherited(self, *args))
    monkeypatch.setattr(contrastive_loss, "fused_loss", refuse)
    _, now = make_worlds()
    assert ask(Changed(ContrastiveOptions(), [EDGE], Shapes(WIDTH)), now).terms


def test_no_table_is_held(monkeypatch):
    monkeypatch.undo()
    count = 6000
    encoded, items = batch(absent=False, groups=False, count=count)
    a = encoded.emb["a"].requires_grad_()
    objective = Contrastive(ContrastiveOptions(), [EDGE], Shapes(WIDTH))
    with torch.profiler.profile(profile_memory=True) as profile:
        objective(replace(encoded, emb={**encoded.emb, "a": a}), items, Step()).total.backward()
    largest = max(e.self_cpu_memory_usage for e in profile.events())
    assert largest < count * count * 4 / 8
