"""Alignment: gradient caching equals the full batch, absence gives nothing, warm heads keep still."""

import numpy as np
import pytest
import torch

from pipelines.align import Alignment, Pairing
from pipelines.batch import item_table, shelf
from pipelines.decode import load_decoded
from pipelines.fit import FitFolder
from pipelines.frozen import fit_heads
from pipelines.lora import base_tensors, tensor_digest
from pipelines.plan import make_plan
from pipelines.rows import manifest_of
from pipelines.towers import Projection, build_tower


@pytest.fixture
def world(finished):
    """Plan, towers, objective and pairing of the finished small run, untrained."""
    plan = make_plan(finished.parent / "small.yaml")
    manifest = manifest_of(plan, finished / "cohort")
    shelves = {k: shelf(p, load_decoded(finished / "decoded" / k), len(manifest))
               for k, p in plan.parts.items()}  # fmt: skip
    objective = plan.objective.build(plan.objective_options, plan.edges())
    table = item_table(manifest, shelves, objective.label_columns())
    pairing = Pairing(shelves, table, manifest, plan.pipeline.edges(), 3)
    towers = {k: build_tower(p, 8, seed=1) for k, p in plan.parts.items()}
    return plan, towers, objective, pairing


def gradients(world, micro_batch):
    plan, towers, objective, pairing = world
    config = plan.pipeline.align.model_copy(update={"micro_batch": micro_batch, "batch_size": 16})
    lesson = Alignment(towers, objective, pairing, config)
    for parameter in lesson.parameters().values():
        parameter.grad = None
    batch = lesson.batches(0)[0]
    logs = lesson.learn(batch, lesson.prepare(batch, 0), 0)
    return logs["loss"], {k: p.grad.clone() for k, p in lesson.parameters().items()
                          if p.grad is not None}  # fmt: skip


@pytest.mark.parametrize("size", [1, 3, 5])
def test_gradient_caching_equals_the_full_batch(world, size):
    loss, full = gradients(world, None)
    cached_loss, cached = gradients(world, size)
    assert cached_loss == pytest.approx(loss, abs=1e-5)
    assert set(cached) == set(full)
    for name in full:
        torch.testing.assert_close(cached[name], full[name], atol=1e-5, rtol=1e-4)


def test_every_trainable_parameter_moves(world):
    plan, towers, objective, pairing = world
    lesson = Alignment(towers, objective, pairing, plan.pipeline.align)
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


def test_only_rows_with_both_sides_of_an_edge_are_used(world):
    _, _, _, pairing = world
    rows = pairing.usable("train")
    assert len(rows) > 0
    assert pairing.shelves["ecg"].has(rows).all()
    without = np.setdiff1d(np.arange(len(pairing.manifest)), rows)
    assert not any(pairing.manifest.splits[i] == "train" and pairing.shelves["ecg"].has(
        np.array([i])).all() for i in without)  # fmt: skip


def test_warm_heads_move_projections_and_nothing_else(world, tmp_path):
    plan, towers, objective, pairing = world
    before = {k: tensor_digest(base_tensors(t.encoder)) for k, t in towers.items()}
    heads = {k: t.head.linear.weight.detach().clone() for k, t in towers.items()}
    folder = FitFolder(tmp_path, {}, lambda row: None, lambda step: None)
    fit_heads(towers, objective, pairing, plan.pipeline.align, folder)
    for key, tower in towers.items():
        assert tensor_digest(base_tensors(tower.encoder)) == before[key]
        assert not torch.equal(tower.head.linear.weight, heads[key])


def test_a_projection_ignores_its_batch_mates_outside_training():
    torch.manual_seed(0)
    head = Projection(5, 3)
    x = torch.randn(6, 5) + 4
    for _ in range(20):
        head.train()(x)
    head.eval()
    torch.testing.assert_close(head(x)[2:3], head(x[2:3]))
    assert bool(torch.isfinite(head.train()(x[:1])).all())
