"""Numbers of a fused vector: of the whole, and of the trained model's every subset."""

import json

import pytest
import torch

from eval.retrieval import RetrievalOptions
from pipelines.evaluate import subset_options
from pipelines.plan import make_plan
from pipelines.run import run_plan

TEXT = """\
name: fused
seed: 3
manifest: {synthetic: clinic, subjects: 24}
modalities:
  ecg:
    options: {rate_hz: 100, seconds: 4}
    encoder: {name: vit1d_tiny, options: {width: 16, heads: 2, depth: 1, stem: 8}}
  xray:
    options: {normalise: unit, size: 64, channels: 1}
    encoder: {name: cnn_vit_tiny, options: {width: 16, heads: 2}}
  report:
    options: {max_tokens: 48, vocabulary: 512}
    encoder: {name: text_tiny, options: {width: 16, heads: 2, blocks: 1}}
align:
  fuse: {patient: {of: [xray, ecg], how: stochastic, heads: 2}}
  edges: [[patient, report]]
  dim: 8
  batch_size: 8
  epochs: 1
  precision: fp32
evaluate:
  - {task: retrieval, query: patient, gallery: report}
controls: {random_frozen: 0, constant: false, text_prior: false, unimodal: false}
replicates: 0
"""


def planned(folder, *overrides):
    (folder / "fused.yaml").write_text(TEXT)
    return make_plan(folder / "fused.yaml", overrides)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A finished run whose fusion has weights and leaves modalities out in training."""
    folder = tmp_path_factory.mktemp("fused")
    run_plan(planned(folder), folder / "run")
    return folder / "run"


def test_subsets_stand_for_the_fused_side_only(tmp_path):
    plan = planned(tmp_path)
    (task,) = plan.tasks
    found = subset_options(plan.pipeline, task.options)
    assert [o.query for o in found] == ["patient@xray", "patient@ecg", "patient@xray+ecg"]
    assert {o.gallery for o in found} == {"report"}
    assert subset_options(plan.pipeline, RetrievalOptions(query="ecg", gallery="report")) == []


def test_subsets_that_nobody_wants_are_not_asked(tmp_path):
    plan = planned(tmp_path, "align.fuse.patient.subsets=false")
    assert subset_options(plan.pipeline, plan.tasks[0].options) == []


def test_every_subset_has_numbers_of_the_trained_model_and_the_whole_has_its_control(ran):
    rows = json.loads((ran / "metrics.json").read_text())
    sides = {(r["model"], r["query"]) for r in rows if r["gallery"] == "report"}
    whole = {("trained", "patient"), ("control:unaligned", "patient")}
    parts = {("trained", f"patient@{part}") for part in ("xray", "ecg", "xray+ecg")}
    assert sides == whole | parts
    assert any(r["query"] == "report" and r["gallery"] == "patient@ecg" for r in rows)


def test_the_report_has_one_table_a_direction_and_no_panel_per_subset(ran):
    text = (ran / "report.md").read_text()
    assert text.count("by what it is made of") == 2
    assert "patient@" not in text


def test_the_checkpoint_holds_what_the_fusion_learned(ran):
    from safetensors.torch import load_file

    state = load_file(str(ran / "checkpoints" / "patient" / "fusion.safetensors"))
    assert bool((state["out.weight"] != 0).any())
    assert all(bool(torch.isfinite(value).all()) for value in state.values())
