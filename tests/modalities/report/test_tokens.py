"""Words become the same ids everywhere, in a layout that masking can rely on."""

from __future__ import annotations

from pathlib import Path

import pytest

from modalities.report import REPORT
from modalities.report.options import ReportOptions
from modalities.report.tokens import SPECIALS, UNKNOWN, encode, tokenizer_of, words
from workbench.errors import Refusal
from workbench.modality import Weights

OPTIONS = ReportOptions()
KNOWN = [4098, 3156, 7871, 584]


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="E-TXT-100"):
        encode("effusion", ReportOptions(tokenizer=str(tmp_path)))
    with pytest.raises(Refusal, match="E-TXT-100"):
        encode("effusion", ReportOptions(tokenizer=str(tmp_path / "gone")))


def test_ids_are_stable_across_releases() -> None:
    # a checkpoint trained today must understand a report read tomorrow
    assert encode("No pleural effusion.", OPTIONS) == KNOWN


def test_case_width_and_composition_do_not_matter() -> None:
    assert encode("ÖDEM ﬁbrosis", OPTIONS) == encode("o\u0308dem FIBROSIS", OPTIONS)


def test_ids_lie_between_the_special_ones_and_the_vocabulary() -> None:
    ids = encode(" ".join(f"w{i}" for i in range(3000)), ReportOptions(vocabulary=100))
    assert min(ids) >= SPECIALS
    assert max(ids) < 100


def test_placeholders_are_the_unknown_word() -> None:
    assert encode("___", OPTIONS) == [UNKNOWN]


def test_negations_and_sentence_ends_are_words() -> None:
    assert words("No edema. It isn't >5%") == ["no", "edema", ".", "it", "isn't", ">", "5", "%"]


def test_ngrams_let_inflected_words_share_ids() -> None:
    with_grams = ReportOptions(character_ngrams=3)
    one, other = (set(encode(w, with_grams)) for w in ("effusion", "effusions"))
    assert len(one & other) >= 6
    assert not set(encode("effusion", OPTIONS)) & set(encode("effusions", OPTIONS))


def test_the_contract_changes_with_the_tokenizer_alone() -> None:
    assert REPORT.contract(OPTIONS) == REPORT.contract(ReportOptions(augment="none"))
    assert REPORT.contract(OPTIONS) != REPORT.contract(ReportOptions(vocabulary=4096))


def test_the_tokenizer_comes_with_the_weights_unless_one_is_named(tmp_path: Path) -> None:
    weights = Weights(str(tmp_path))
    assert REPORT.complete(OPTIONS, weights).tokenizer == str(tmp_path)
    assert REPORT.complete(OPTIONS, Weights()).tokenizer == "hash"
    assert REPORT.complete(ReportOptions(tokenizer="x"), weights).tokenizer == "x"
    assert tokenizer_of(Weights("org/name", "a" * 40)) == "org/name@" + "a" * 40
