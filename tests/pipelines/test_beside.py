"""Which models stand beside the trained one, and what they are asked."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from eval.mismatch import Mismatch
from eval.retrieval import Retrieval
from eval.space import Rows, Space, Vectors
from eval.task import Context
from pipelines.beside import answers, unimodal_rows
from pipelines.plan import TaskPlan
from workbench.config import Controls

CONTEXT = Context(1, Path(), 50)


def space(rows=80, modalities=("ecg", "xray", "report")):
    rng = np.random.default_rng(0)
    ids = tuple(f"r{i:03d}" for i in range(rows))
    base = rng.standard_normal((rows, 8))
    vectors = {}
    for name, noise in zip(modalities, (0.6, 0.9, 0.0), strict=False):
        values = base + noise * rng.standard_normal((rows, 8))
        values /= np.linalg.norm(values, axis=1, keepdims=True)
        vectors[name] = Vectors(ids, values.astype(np.float32))
    groups = tuple(f"p{i // 2}" for i in range(rows))
    splits = tuple("val" if i // 2 % 4 == 0 else "test" for i in range(rows))
    return Space("trained", vectors, Rows(ids, groups, splits, {}))


def planned(task=Retrieval, name="retrieval", query="ecg"):
    options = task.options(query=query, gallery="report")
    return TaskPlan(f"{name}-x", name, options), task()


def plan(**controls):
    pipeline = SimpleNamespace(controls=Controls(**controls), align=SimpleNamespace(fuse={}))
    return SimpleNamespace(pipeline=pipeline)


def models(*given, spaces=None, **controls):
    entry, task = planned(*given)
    return dict(answers(plan(**controls), entry, task, spaces or [space()], CONTEXT))


def test_controls_that_nobody_wants_are_not_run():
    assert set(models(constant=False, text_prior=False)) == {"trained"}


def test_a_task_without_chance_is_asked_of_no_blind_space():
    assert set(models(Mismatch, "mismatch")) == {"trained"}


def test_only_the_trained_space_is_made_blind():
    other = replace(space(), model="control:unaligned")
    found = models(spaces=[space(), other])
    assert list(found) == [
        "trained", "control:unaligned", "control:constant", "control:text_prior",
    ]  # fmt: skip


def test_a_prior_is_asked_in_every_direction():
    found = models()["control:text_prior"]
    assert {row.query for row in found.rows} == {"ecg", "report"}
    assert all(row.model == "control:text_prior" for row in found.rows)
    ids = found.predictions["id"]
    assert ids == sorted(ids)
    assert len(ids) == len(models()["trained"].predictions["id"])


def test_a_constant_space_has_no_interval():
    rows = models()["control:constant"].rows
    hits = [row for row in rows if row.metric == "hit"]
    assert hits
    assert all(row.value == pytest.approx(row.chance, abs=1e-12) for row in hits)
    assert all(row.ci_low is None for row in rows)


def test_a_single_modality_has_no_unimodal_control():
    entry, task = planned()
    assert unimodal_rows(plan(), entry, task, [space()], CONTEXT) == []


def test_joined_modalities_are_held_against_the_best_of_them():
    entry, task = planned(query="ecg,xray")
    assert unimodal_rows(plan(unimodal=False), entry, task, [space()], CONTEXT) == []
    rows = unimodal_rows(plan(), entry, task, [space()], CONTEXT)
    assert {row.model for row in rows} == {"control:unimodal", "trained"}
    gains = [row for row in rows if row.compared_to]
    assert {row.metric for row in gains} == {"hit_gain", "mrr_gain"}
    assert all(row.p_adjusted >= row.p for row in gains)
    assert all("best single modality: ecg" in row.flags for row in rows)
    assert all("chosen on val" in row.flags for row in rows)
    whole = models(Retrieval, "retrieval", "ecg,xray")["trained"].rows
    (mrr,) = [r.value for r in whole if r.metric == "mrr" and r.query == "ecg,xray"]
    (alone,) = [r.value for r in rows if r.metric == "mrr"]
    (gain,) = [r for r in gains if r.metric == "mrr_gain"]
    assert gain.value == pytest.approx(mrr - alone, abs=1e-12)
    assert gain.value > 0
