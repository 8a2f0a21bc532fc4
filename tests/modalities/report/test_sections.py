"""Sections are found under the headings of real reports, English and German."""

from __future__ import annotations

import pytest

from modalities.report.sections import choose, find_sections, is_empty


@pytest.mark.parametrize(
    ("report", "section", "body"),
    [
        ("FINDINGS: Clear.", "findings", "Clear."),
        ("Findings:\nClear.", "findings", "Clear."),
        ("FINDINGS\nClear.", "findings", "Clear."),
        ("Indication: cough. Impression: Clear.", "impression", "Clear."),
        ("CONCLUSION: Clear.", "impression", "Clear."),
        ("CLINICAL HISTORY: cough", "indication", "cough"),
        ("REASON FOR EXAM: cough", "indication", "cough"),
        ("COMPARISON: None.", "comparison", "None."),
        ("Befund: Kein Erguss.", "findings", "Kein Erguss."),
        ("BEURTEILUNG: Kein Erguss.", "impression", "Kein Erguss."),
        ("FINDINGS/IMPRESSION: Clear.", "findings", "Clear."),
    ],
)
def test_a_heading_opens_its_section(report: str, section: str, body: str) -> None:
    assert find_sections(report)[section] == body


def test_a_heading_word_inside_a_sentence_opens_nothing() -> None:
    assert find_sections("The findings are stable. My impression is good.") == {
        "": "The findings are stable. My impression is good."
    }


def test_a_repeated_heading_adds_to_its_section() -> None:
    assert find_sections("FINDINGS: a.\nIMPRESSION: b.\nFINDINGS: c.")["findings"] == "a.\nc."


def test_technique_does_not_run_into_the_findings() -> None:
    found = find_sections("TECHNIQUE: PA view.\nFINDINGS: Clear.")
    assert choose(found, ("findings",)) == ("Clear.", ("findings",))


def test_without_the_wanted_sections_all_but_the_comparison_is_taken() -> None:
    found = find_sections("Heart normal.\nCOMPARISON: March.\nINDICATION: cough")
    assert choose(found, ("findings", "impression")) == ("Heart normal.\ncough", ())


def test_placeholders_alone_are_empty() -> None:
    assert is_empty(" ___ . N/A ")
    assert not is_empty("none seen")
