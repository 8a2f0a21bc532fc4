"""Pretraining overlap: yes, no, or not known, never a guess."""

import pytest

from pipelines.leakage.pretraining import overlap
from workbench.modality import Weights

CARD = (
    "---\nlicense: mit\ndatasets:\n- physionet/ptb-xl\n- mimic-iv-ecg\nlanguage: en\n---\n# Model\n"
)


def said(plan, part, *, dataset="ptbxl", data="not known", source="org/name", synthetic=None):
    one = part(weights=Weights(source))
    one.entry.data = data
    return overlap(plan(one, dataset=dataset, synthetic=synthetic))["ecg"]


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({"source": "scratch"}, "no"),
        ({}, "not known"),
        ({"data": "whatever its folder says"}, "not known"),
        ({"data": "none: random numbers"}, "no"),
        ({"data": "PTB-XL and CPSC 2018"}, "yes"),
        ({"data": "volumes of one hospital"}, "not known"),
        ({"data": "PTB-XL", "dataset": None}, "not known"),
        ({"data": "PTB-XL", "dataset": None, "synthetic": "clinic"}, "no"),
    ],
)
def test_what_is_declared_decides(plan, part, given, answer):
    assert said(plan, part, **given).partition(":")[0] == answer


@pytest.mark.parametrize("text", [CARD, CARD.replace("\n- physionet/ptb-xl\n- mimic-iv-ecg",
                                                     " [physionet/ptb-xl, mimic-iv-ecg]")])  # fmt: skip
def test_the_card_beside_the_weights_is_read(plan, part, tmp_path, text):
    (tmp_path / "README.md").write_text(text)
    assert said(plan, part, source=str(tmp_path)).startswith("yes: weights trained on physionet")
    other = said(plan, part, source=str(tmp_path), dataset="openi")
    assert other.startswith("no:")
    assert "mimic-iv-ecg" in other


def test_a_card_without_datasets_says_nothing(plan, part, tmp_path):
    (tmp_path / "README.md").write_text("# A model of everything\ndatasets: all\n")
    assert said(plan, part, source=str(tmp_path)).startswith("not known")
