"""Tests of the model card: the Hub can read it, and a person is told what to beware of."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from eval.report import ReportData
from pipelines.model_card import metadata, model_card, write_model_card


def row(**given: Any) -> dict[str, Any]:
    base = {"task": "zero_shot", "query": "ecg", "gallery": "report", "label": "finding",
            "metric": "accuracy", "k": 1, "average": "macro", "split": "test", "model": "trained",
            "value": 0.75, "ci_low": 0.7, "ci_high": 0.8, "chance": 0.2, "n": 400,
            "n_groups": 210, "n_excluded": {}, "flags": []}  # fmt: skip
    return {**base, **given}


@pytest.fixture
def data() -> ReportData:
    control = row(model="control:unaligned", value=0.21, ci_low=0.15, ci_high=0.26)
    return ReportData(
        "demo", "abcdef0123456789" * 4, 7, "name: demo\n",
        record={"towers": {"ecg": {"encoder": "vit1d_tiny", "weights": "scratch"}},
                "stages": {"train": {"seconds": 12.5}}, "data": {"name": "clinic", "digest": "d1"}},
        splits={"test": {"rows": 13, "groups": 5}}, metrics=[row(), control],
        leakage={"equal ecg content in two splits": {"found": 0, "result": "clean"},
                 "pretraining_overlap": {"ecg": "not known"}},
        source="generated cohort 'clinic'",
        card={"license": "cc-by-4.0", "limitations": "One site."},
    )  # fmt: skip


def test_the_hub_reads_every_number(data: ReportData) -> None:
    card = ModelCard(model_card(data))
    (result,) = card.data.eval_results or []
    assert (result.task_type, result.metric_type, result.metric_value) == (
        "zero-shot-classification", "accuracy", 0.75,
    )  # fmt: skip
    assert result.dataset_split == "test"
    assert result.metric_args["ci_low"] == 0.7
    assert card.data.license == "cc-by-4.0"
    assert card.data.model_name == "demo"


def test_an_undefined_number_stays_out_of_the_index_and_in_the_body(data: ReportData) -> None:
    lost = dataclasses.replace(data, metrics=[row(value=None, ci_low=None, reason="one class")])
    assert metadata(lost)["model-index"][0]["results"] == []
    assert "not defined" in model_card(lost)


def test_the_body_tells_interval_chance_controls_and_limits(data: ReportData) -> None:
    text = model_card(data)
    for words in ("0.700 – 0.800", "0.200", "unaligned", "For research use", "One site.",
                  "nothing that crosses splits", "not known", "generated cohort"):  # fmt: skip
        assert words in text


def test_found_leakage_is_told(data: ReportData) -> None:
    found = dataclasses.replace(data, leakage={"near-equal ecg": {"found": 3, "result": "flagged"}})
    assert "3 by near-equal ecg" in model_card(found)


def test_neither_time_nor_machine_is_in_the_card(data: ReportData) -> None:
    slower = dataclasses.replace(data, record={**data.record, "stages": {"train": {"seconds": 99}},
                                               "threads": {"cpus": 64}, "processes": [1, 2]})  # fmt: skip
    assert model_card(slower) == model_card(data)


def test_only_pinned_weights_are_named_as_a_base(data: ReportData) -> None:
    encoder = {"weights": "models/clinical-bert", "revision": None}
    pinned = {"weights": "owner/name", "revision": "a" * 40}
    text = yaml.safe_dump({"modalities": {"report": {"encoder": encoder},
                                          "ecg": {"encoder": pinned}}})  # fmt: skip
    assert metadata(dataclasses.replace(data, pipeline=text))["base_model"] == ["owner/name"]
    assert "base_model" not in metadata(data)


def test_no_text_of_the_author_becomes_markup(data: ReportData) -> None:
    hostile = dataclasses.replace(
        data, source="<script>x</script>", card={"limitations": "<img src=x>\n---\nlicense: mit"}
    )
    body = model_card(hostile).split("\n---\n", 1)[1]
    assert "<script" not in body
    assert "<img" not in body
    assert ModelCard(model_card(hostile)).data.license is None


def test_the_same_numbers_give_the_same_bytes(data: ReportData, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_model_card(data, tmp_path / name)
    first, second = (tmp_path / name / "model-card.md" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_a_finished_run_has_a_card_that_the_hub_reads(finished: Path) -> None:
    results = ModelCard((finished / "model-card.md").read_text()).data.eval_results
    assert {one.task_type for one in results or []} == {
        "zero-shot-classification", "feature-extraction",
    }  # fmt: skip
