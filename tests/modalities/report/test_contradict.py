"""Contradicting texts say something else, by one rule at a time, and nothing when unsure."""

from __future__ import annotations

import numpy as np
import pytest

from modalities.report import REPORT
from modalities.report.contradict import SWAPS, contradictions, negated, swapped
from modalities.report.findings import FINDINGS
from modalities.report.options import ReportOptions
from modalities.report.polarity import NEGATIONS, polarity
from modalities.report.synth import report_text
from workbench.modality import Source

TEXTS = [report_text(f.name, np.random.default_rng(seed)) for f in FINDINGS for seed in range(25)]


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("text", [
    "", " \n", "Sinus rhythm.", "Cannot rule out pneumonia.", "Kein Erguss rechts.",
    "Effusion is not excluded, may be small.", "Brightly copyrighted leftover upperclassman.",
])  # fmt: skip
def test_where_no_rule_applies_there_is_nothing(text: str) -> None:
    assert contradictions(text, generator()) == ()


@pytest.mark.parametrize("text", TEXTS[::7])
def test_the_text_itself_is_never_among_them_and_none_comes_twice(text: str) -> None:
    for seed in range(5):
        found = contradictions(text, generator(seed))
        assert text not in found
        assert len(set(found)) == len(found)


@pytest.mark.parametrize("rule", SWAPS)
def test_a_rule_applied_twice_returns_the_text(rule: str) -> None:
    words = [word for pair in SWAPS[rule] for word in pair]
    fillers = ["effusion", "and", "or", "in place", "now", "see", "no", "is.", "seen,", "alone"]
    for seed in range(200):
        rng = generator(seed)
        drawn = rng.choice([*words, *fillers], size=int(rng.integers(1, 12)))
        cases = [str.upper, str.lower, str.capitalize]
        text = " ".join(cases[int(rng.integers(3))](str(word)) for word in drawn)
        assert swapped(swapped(text, rule), rule) == text
    for text in TEXTS:
        assert swapped(swapped(text, rule), rule) == text


def test_no_word_stands_in_two_rules_or_negates() -> None:
    words = [word for pairs in SWAPS.values() for pair in pairs for word in pair]
    assert len(set(words)) == len(words)
    assert not NEGATIONS & set(words)


@pytest.mark.parametrize(("rule", "text", "expected"), [
    ("laterality", "Left-sided effusion, LEFT base.", "Right-sided effusion, RIGHT base."),
    ("laterality", "Erguss links, linker Unterlappen.", "Erguss rechts, rechter Unterlappen."),
    ("severity", "Mildly dilated. Moderate edema.", "Severely dilated. Minimal edema."),
    ("size", "Small nodule, INCREASED density.", "Large nodule, DECREASED density."),
    ("position", "Upper lobe, at the apex.", "Lower lobe, at the base."),
    ("order", "Diptera Culicidae Aedes aegypti", "Hymenoptera Culicidae Aedes aegypti"),
    ("family", "Diptera Culicidae Aedes aegypti", "Diptera Chironomidae Aedes aegypti"),
])  # fmt: skip
def test_words_are_exchanged_whole_and_keep_their_case(rule: str, text: str, expected: str) -> None:
    assert swapped(text, rule) == expected


@pytest.mark.parametrize("text", [
    "Effusion on the right or left.", "Clear left and right lungs.", "The tube was left in place.",
    "No effusion on the left.", "Left effusion cannot be excluded.",
])  # fmt: skip
def test_sides_stay_where_both_or_none_is_meant_or_the_sentence_denies(text: str) -> None:
    assert swapped(text, "laterality") == text


@pytest.mark.parametrize(("text", "expected"), [
    ("There is a pneumothorax.", "There is no pneumothorax."),
    ("There is no pneumothorax.", "There is pneumothorax."),
    ("NO EFFUSION.", "EFFUSION."),
    ("No acute process.", "Acute process."),
    ("Opacity without air bronchograms.", "Opacity with air bronchograms."),
    ("The heart is mildly enlarged.", "The heart is not mildly enlarged."),
    ("The angle is not blunted and there is no effusion.", "The angle is blunted and there is effusion."),
    ("The lung has collapsed.", "The lung has not collapsed."),
    ("Lines indicate edema.", "Lines do not indicate edema."),
])  # fmt: skip
def test_a_sentence_is_denied_or_affirmed(text: str, expected: str) -> None:
    assert negated(text, generator()) == expected


@pytest.mark.parametrize("text", [
    "It is no longer seen.", "Possible effusion is seen.", "No effusion, which cannot be excluded.",
    "No significant doubt, but unlikely.",
])  # fmt: skip
def test_a_sentence_that_would_still_doubt_or_deny_stays(text: str) -> None:
    assert negated(text, generator()) == text


def test_one_sentence_is_turned_round_wherever_it_stands() -> None:
    text = "FINDINGS: x\nThe heart is enlarged. There is no effusion.\nThe heart is enlarged."
    found = {negated(text, generator(seed)) for seed in range(20)}
    assert found == {
        text.replace("is enlarged", "is not enlarged"), text.replace("is no", "is"),
    }  # fmt: skip


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.name)
def test_the_polarity_of_every_synthetic_sentence_is_turned_round(finding) -> None:
    told = [s for s in (*finding.statements, *finding.denials) if polarity(s, finding.name)]
    assert len(told) >= 5
    for sentence in told:
        before, after = (
            polarity(s, finding.name) for s in (sentence, negated(sentence, generator()))
        )
        assert {before, after} == {"affirmed", "negated"}, sentence


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.name)
def test_every_synthetic_statement_and_report_has_a_contradiction(finding) -> None:
    for text in (
        *finding.statements,
        *(report_text(finding.name, generator(s)) for s in range(20)),
    ):
        assert contradictions(text, generator()), text


def test_samples_hold_the_contradicting_text_and_its_ids() -> None:
    options = ReportOptions()
    sample = REPORT.read(Source("A small effusion is seen on the left."), options)
    found = REPORT.contradict(sample, generator(), options)
    texts = {str(one.meta["text"]) for one in found}
    assert texts == {
        "A large effusion is seen on the left.", "A small effusion is seen on the right.",
        "A small effusion is not seen on the left.",
    }  # fmt: skip
    for one in found:
        again = REPORT.read(Source(str(one.meta["text"])), options)
        np.testing.assert_array_equal(one.data, again.data)
        assert one.meta["laterality"] == again.meta["laterality"]


def test_a_difference_past_the_last_token_makes_no_sample() -> None:
    options = ReportOptions(max_tokens=4)
    sample = REPORT.read(Source("Lungs show some opacity small on the left"), options)
    assert REPORT.contradict(sample, generator(), options) == ()


def test_the_same_generator_gives_the_same_samples() -> None:
    options = ReportOptions()
    sample = REPORT.read(Source(TEXTS[0]), options)
    one, two = (REPORT.contradict(sample, generator(3), options) for _ in range(2))
    assert [s.meta["text"] for s in one] == [s.meta["text"] for s in two]
