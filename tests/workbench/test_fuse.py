"""Fused vectors in the pipeline file: what is refused, and what the names stand for."""

from pathlib import Path

import pytest

from workbench.errors import Refusal
from workbench.fuse_config import FuseConfig, is_subset, subset_name
from workbench.pipeline_file import load_pipeline

TEXT = """\
name: demo
manifest: {path: rows.csv}
modalities:
  xray: {encoder: {name: cnn_vit_tiny}}
  ecg: {encoder: {name: vit1d_tiny}}
  report: {encoder: {name: text_tiny}}
align:
  dim: 64
  fuse:
    patient: {of: [xray, ecg], how: gated}
  edges: [[patient, report]]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("align.fuse.patient.of=[xray]", ["align.fuse.patient.of", "at least 2"]),
        ("align.fuse.patient.of=[xray, xray]", ["names a modality twice"]),
        ("align.fuse.patient.of=[xray, oct]", ["oct", "not under modalities"]),
        ("align.fuse.patient.how=sum", ["align.fuse.patient.how", "sum"]),
        ("align.fuse.patient.depth=2", ["depth is an option of how: stochastic, not of gated"]),
        ("align.fuse.patient.drop=1.0", ["align.fuse.patient.drop", "less than 1"]),
        ("align.fuse.xray={of: [ecg, report]}", ["names of modalities already"]),
        ("align.fuse.patient={of: [xray, ecg], how: stochastic, heads: 5}", ["no multiple of 5"]),
        ("align.edges=[[patient, xray]]", ["edge patient-xray compares ['xray'] with itself"]),
        ("align.edges=[[patent, report]]", ["patent", "not under modalities or align.fuse"]),
        ("align.fuse.a@b={of: [xray, ecg]}", ["a@b"]),
        ("pretrain.patient={epochs: 1}", ["patient", "not under modalities"]),
    ],
)
def test_a_mistake_is_named_with_found_and_expected(file, override, words):
    with pytest.raises(Refusal) as caught:
        load_pipeline(file, [override])
    for word in words:
        assert word in str(caught.value)


def test_a_fused_name_stands_where_a_modality_may(file):
    pipeline, _ = load_pipeline(file)
    assert pipeline.edges() == (("patient", "report"),)
    assert pipeline.names() == ["xray", "ecg", "report", "patient"]
    assert pipeline.modalities_of("patient") == ("xray", "ecg")
    assert pipeline.modalities_of("report") == ("report",)


def test_a_fused_anchor_is_not_paired_with_its_own_parts(file):
    pipeline, _ = load_pipeline(file, ["align.edges={anchor: patient}"])
    assert pipeline.edges() == (("patient", "report"),)


def test_all_pairs_are_those_of_the_modalities(file):
    pipeline, _ = load_pipeline(file, ["align.edges=all"])
    assert pipeline.edges() == (("xray", "ecg"), ("xray", "report"), ("ecg", "report"))


def test_all_subsets_of_up_to_four_are_evaluated_small_ones_first():
    three = FuseConfig(of=("a", "b", "c")).parts()
    assert three == (("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"), ("a", "b", "c"))
    assert len(FuseConfig(of=tuple("abcd")).parts()) == 15
    assert FuseConfig(of=tuple("abcde")).parts() == ()
    assert FuseConfig(of=("a", "b"), subsets=False).parts() == ()
    with pytest.raises(ValueError, match="at most 4"):
        FuseConfig(of=tuple("abcde"), subsets=True)


def test_a_subset_is_told_from_any_name_a_pipeline_may_use():
    name = subset_name("patient", ("xray", "ecg"))
    assert name == "patient@xray+ecg"
    assert is_subset(name)
    assert not is_subset("patient")
    assert not is_subset(None)


def test_only_the_transformer_leaves_modalities_out_by_default():
    assert FuseConfig(of=("a", "b")).share_dropped() == 0.0
    assert FuseConfig(of=("a", "b"), how="stochastic").share_dropped() == 0.5
    assert FuseConfig(of=("a", "b"), how="stochastic", drop=0.2).share_dropped() == 0.2
