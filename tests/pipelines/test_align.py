"""Alignment: gradient caching equals the full batch, absence gives nothing, warm heads keep still."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipelines.align import Alignment
from pipelines.fit import FitFolder
from pipelines.frozen import fit_heads
from pipelines.lora import base_tensors, tensor_digest
from pipelines.towers import Projection
from workbench import registry


@pytest.fixture
def world(built):
    return built()


def gradients(world, **changes):
    crew, objective, config, demand = world
    config = config.model_copy(update={"batch_size": 16})
    lesson = Alignment(replace(crew, **changes), objective, config, demand)
    for parameter in lesson.parameters().values():
        parameter.grad = None
    batch = lesson.batches(0)[0]
    logs = lesson.learn(batch, lesson.prepare(batch, 0), 0)
    return logs["loss"], {k: p.grad.clone() for k, p in lesson.parameters().items()
                          if p.grad is not None}  # fmt: skip


@pytest.mark.parametrize("name", sorted(registry.installed("objectives")))
def test_gradient_caching_equals_the_full_batch(built, name):
    own = ["align.objective.parts=[{name: contrastive}, {name: hcl}]"] if name == "sum" else []
    world = built(f"align.objective.name={name}", *own)
    loss, full = gradients(world)
    for size in (1, 3, 5):
        cached_loss, cached = gradients(world, micro_batch=size)
        assert cached_loss == pytest.approx(loss, abs=1e-5)
        assert set(cached) == set(full)
        length = torch.stack([g.square().sum() for g in full.values()]).sum().sqrt()
        apart = torch.stack([(cached[k] - g).square().sum() for k, g in full.items()]).sum().sqrt()
        assert float(apart) <= 1e-5 * float(length)


def test_contrary_texts_are_found_in_the_files_and_count(built):
    plain, _ = gradients(built())
    harder, _ = gradients(built("align.objective.name=contrary"))
    assert harder > plain


def test_every_trainable_parameter_moves(world):
    crew, objective, config, demand = world
    lesson = Alignment(crew, objective, config, demand)
    for step in range(2):
        for parameter in lesson.parameters().values():
            parameter.grad = None
        batch = lesson.batches(0)[0]
        lesson.learn(batch, lesson.prepare(batch, 0), step)
        still = [k for k, p in lesson.parameters().items()
                 if p.grad is None or not p.grad.abs().sum() > 0]  # fmt: skip
        with torch.no_grad():
            for parameter in lesson.parameters().values():
                if parameter.grad is not None:
                    parameter -= parameter.grad
    assert [k for k in still if "embeddings" not in k] == []


def test_harmonized_terms_that_agree_have_the_gradient_of_their_sum(built):
    one = ["align.edges=[[ecg, report], [report, ecg]]"]
    loss, summed = gradients(built(*one))
    again, agreed = gradients(built(*one, "align.gradients=harmonize"), micro_batch=3)
    assert again == pytest.approx(loss, abs=1e-5)
    for key, gradient in summed.items():
        torch.testing.assert_close(agreed[key], gradient, atol=1e-5, rtol=1e-3)


def test_only_rows_with_both_sides_of_an_edge_are_used(world):
    pairing = world[0].pairing
    rows = pairing.usable("train")
    assert len(rows) > 0
    assert pairing.shelves["ecg"].has(rows).all()
    without = np.setdiff1d(np.arange(len(pairing.manifest)), rows)
    assert not any(pairing.manifest.splits[i] == "train" and pairing.shelves["ecg"].has(
        np.array([i])).all() for i in without)  # fmt: skip


@pytest.mark.parametrize("name", ["contrastive", "late"])
def test_warm_heads_move_projections_and_nothing_else(built, tmp_path, name):
    crew, objective, config, demand = built(f"align.objective.name={name}")
    before = {k: tensor_digest(base_tensors(t.encoder)) for k, t in crew.towers.items()}
    adapters = {n: p.detach().clone() for t in crew.towers.values()
                for n, p in t.encoder.named_parameters() if p.requires_grad}  # fmt: skip
    heads = {k: t.head.linear.weight.detach().clone() for k, t in crew.towers.items()}
    folder = FitFolder(tmp_path, {}, lambda row: None, lambda step: None)
    fit_heads(crew, objective, config, demand, folder)
    for key, tower in crew.towers.items():
        assert tensor_digest(base_tensors(tower.encoder)) == before[key]
        moved = tower.head if name == "contrastive" else tower.token_head
        assert name != "contrastive" or not torch.equal(moved.linear.weight, heads[key])
        left = {n for n, p in tower.encoder.named_parameters() if p.requires_grad}
        assert left
        assert left <= set(adapters)


def test_a_projection_ignores_its_batch_mates_outside_training():
    torch.manual_seed(0)
    head = Projection(5, 3)
    x = torch.randn(6, 5) + 4
    for _ in range(20):
        head.train()(x)
    head.eval()
    torch.testing.assert_close(head(x)[2:3], head(x[2:3]))
    assert bool(torch.isfinite(head.train()(x[:1])).all())
