"""Training views vary a report, never its meaning."""

from __future__ import annotations

import numpy as np

from modalities.report import REPORT
from modalities.report.options import ReportOptions
from modalities.report.views import drop_tail, drop_words, sentences, shuffle_sentences
from workbench.modality import Source

TEXT = "No pleural effusion. The heart is enlarged. Cannot rule out pneumonia."


def test_shuffled_sentences_are_whole_sentences_of_the_report() -> None:
    whole = set(sentences(TEXT))
    for seed in range(50):
        view = sentences(shuffle_sentences(TEXT, np.random.default_rng(seed), 0.5))
        assert view
        assert set(view) <= whole


def test_a_negation_is_never_dropped_by_itself() -> None:
    for seed in range(100):
        view = drop_words(TEXT, np.random.default_rng(seed), 0.9).split()
        assert "No" in view
        assert "Cannot" in view


def test_words_are_dropped_at_about_the_rate_asked_for() -> None:
    text = " ".join(f"word{i}" for i in range(1000))
    kept = len(drop_words(text, np.random.default_rng(0), 0.3).split())
    assert 640 < kept < 760


def test_a_cut_lineage_is_a_beginning_of_it_and_every_rank_occurs() -> None:
    lineage = "Diptera Culicidae Aedes aegypti"
    views = {drop_tail(lineage, np.random.default_rng(seed)) for seed in range(60)}
    assert views == {"Diptera", "Diptera Culicidae", "Diptera Culicidae Aedes", lineage}


def test_the_same_generator_gives_the_same_view_and_none_gives_the_sample() -> None:
    options = ReportOptions(drop_words=0.5)
    sample = REPORT.read(Source(TEXT), options)
    one, two = (REPORT.augment(sample, np.random.default_rng(3), options) for _ in range(2))
    np.testing.assert_array_equal(one.data, two.data)
    assert REPORT.augment(sample, np.random.default_rng(3), ReportOptions(augment="none")) is sample
