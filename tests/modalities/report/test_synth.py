"""Synthetic reports state what they should, deny the rest, and repeat byte for byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modalities.report import REPORT
from modalities.report.findings import FINDINGS
from modalities.report.options import ReportOptions
from modalities.report.synth import compose
from modalities.report.views import sentences
from workbench.modality import Source


def test_an_unknown_finding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="one of"):
        REPORT.synthesize("nothing", np.random.default_rng(0), tmp_path)


@pytest.mark.parametrize("finding", [item.name for item in FINDINGS])
def test_one_finding_is_stated_and_every_other_denied(finding: str, tmp_path: Path) -> None:
    for seed in range(10):
        cell = REPORT.synthesize(finding, np.random.default_rng(seed), tmp_path)
        text = REPORT.read(Source(cell, tmp_path), ReportOptions()).meta["text"]
        said = {sentence.lower() for sentence in sentences(text)}
        for item in FINDINGS:
            stated = any(sentence.lower() in said for sentence in item.statements)
            denied = any(sentence.lower() in said for sentence in item.denials)
            assert (stated, denied) == ((item.name == finding), (item.name != finding))


def test_the_same_generator_writes_the_same_bytes(tmp_path: Path) -> None:
    one = REPORT.synthesize("pneumothorax", np.random.default_rng(5), tmp_path)
    first = (tmp_path / one).read_bytes()
    two = REPORT.synthesize("pneumothorax", np.random.default_rng(5), tmp_path)
    assert one == two
    assert (tmp_path / two).read_bytes() == first


def test_composition_says_every_sentence_once_and_no_other_about_findings() -> None:
    sections = compose(
        ["A is here."], ["B is not."], np.random.default_rng(1), distractors=["C."] * 3
    )
    assert sections["findings"].count("A is here.") == 1
    assert sections["findings"].count("B is not.") == 1


def test_findings_meet_the_contract() -> None:
    assert len(FINDINGS) >= 4
    assert all(len(item.statements) >= 6 and len(item.denials) >= 3 for item in FINDINGS)
