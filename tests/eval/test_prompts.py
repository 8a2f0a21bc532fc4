"""Prompt sets: what is refused, and what a draw depends on."""

import pytest

from eval.prompts import load_prompts
from workbench.errors import Refusal

YAML = """
name: findings
templates: ["{} seen", "sign of {}"]
classes:
  - {id: AFIB, name: atrial fibrillation, synonyms: [AF]}
  - {id: NO, name: no finding, prompts: ["normal ECG"]}
"""


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({}, "classes"),
        ({"classes": []}, "classes"),
        ({"classes": {"a": {}}}, "neither prompts nor a template"),
        ({"classes": {"a": "x"}, "templates": ["no place"]}, "must hold one"),
        ({"classes": [{"id": "a"}, {"id": "a"}], "templates": ["{}"]}, "occur twice"),
        ({"classes": {"a": "x"}, "templates": ["{}"], "agregate": "max"}, "agregate"),
        ({"classes": {"a": "x"}, "templates": ["{}"], "draw": 0}, "draw"),
    ],
)
def test_a_set_that_does_not_fit_is_refused(given, word, tmp_path):
    with pytest.raises(Refusal, match=word):
        load_prompts(given, tmp_path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(Refusal, match=r"absent\.yaml"):
        load_prompts("absent.yaml", tmp_path)


def test_templates_are_filled_with_names_and_synonyms(tmp_path):
    (tmp_path / "p.yaml").write_text(YAML)
    found = load_prompts("p.yaml", tmp_path).positive_prompts()
    assert found["AFIB"] == (
        "atrial fibrillation seen", "AF seen", "sign of atrial fibrillation", "sign of AF",
    )  # fmt: skip
    assert found["NO"] == ("normal ECG", "no finding seen", "sign of no finding")


def test_adding_a_class_changes_no_other_draw(tmp_path):
    words = [f"wording {i}" for i in range(20)]
    few = load_prompts({"classes": {"a": words}, "draw": 5}, tmp_path)
    more = load_prompts({"classes": {"b": words, "a": words}, "draw": 5}, tmp_path)
    assert few.positive_prompts()["a"] == more.positive_prompts()["a"]
    assert more.positive_prompts()["a"] != more.positive_prompts()["b"]
    assert len(few.positive_prompts()["a"]) == 5


def test_the_digest_follows_the_wording(tmp_path):
    one = load_prompts({"classes": {"a": ["x"]}}, tmp_path)
    assert one.digest == load_prompts({"classes": {"a": ["x"]}}, tmp_path).digest
    assert one.digest != load_prompts({"classes": {"a": ["y"]}}, tmp_path).digest
