"""Affirmed, negated, uncertain: the rules against sentences whose answer is known."""

from __future__ import annotations

import pytest

from modalities.report.findings import FINDINGS
from modalities.report.polarity import polarity

CASES = [
    ("There is a right pleural effusion.", "pleural effusion", "affirmed"),
    ("Pleural effusions are increased.", "pleural effusion", "affirmed"),
    ("No pleural effusion.", "pleural effusion", "negated"),
    ("No evidence of pneumothorax.", "pneumothorax", "negated"),
    ("No focal consolidation, pleural effusion or pneumothorax.", "pneumothorax", "negated"),
    ("Pneumothorax is not seen.", "pneumothorax", "negated"),
    ("The effusion has resolved.", "effusion", "negated"),
    ("Negative for pneumonia.", "pneumonia", "negated"),
    ("Pneumonia has been ruled out.", "pneumonia", "negated"),
    ("Cannot rule out pneumonia.", "pneumonia", "uncertain"),
    ("Pneumonia cannot be excluded.", "pneumonia", "uncertain"),
    ("Cannot entirely exclude a small pneumothorax.", "pneumothorax", "uncertain"),
    ("Pneumonia is not excluded.", "pneumonia", "uncertain"),
    ("Possible pneumonia.", "pneumonia", "uncertain"),
    ("This may represent consolidation.", "consolidation", "uncertain"),
    ("Evaluate for pneumonia.", "pneumonia", "uncertain"),
    ("Pneumonia?", "pneumonia", "uncertain"),
    ("No effusion, but there is a pneumothorax.", "pneumothorax", "affirmed"),
    ("No effusion, but there is a pneumothorax.", "effusion", "negated"),
    ("No significant change in the pleural effusion.", "pleural effusion", "affirmed"),
    ("No effusion, the cardiomegaly is stable.", "cardiomegaly", "affirmed"),
    ("Kein Pleuraerguss.", "pleuraerguss", "negated"),
    ("Pneumonie nicht auszuschließen.", "pneumonie", "uncertain"),
    ("Verdacht auf Vorhofflimmern.", "vorhofflimmern", "uncertain"),
    ("Vorhofflimmern mit schneller Überleitung.", "vorhofflimmern", "affirmed"),
    ("The lungs are clear.", "pneumonia", None),
]


@pytest.mark.parametrize(("sentence", "finding", "expected"), CASES)
def test_polarity_of_known_sentences(sentence: str, finding: str, expected: str | None) -> None:
    assert polarity(sentence, finding) == expected


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda item: item.name)
def test_own_statements_and_denials_are_judged_as_they_are_meant(finding) -> None:  # type: ignore[no-untyped-def]
    stated = {polarity(sentence, finding.name) for sentence in finding.statements}
    denied = {polarity(sentence, finding.name) for sentence in finding.denials}
    assert stated <= {"affirmed", None}
    assert denied <= {"negated", None}
    assert "affirmed" in stated
    assert "negated" in denied


def test_a_word_inside_another_is_not_a_mention() -> None:
    assert polarity("No haemopneumothorax.", "pneumothorax") is None
