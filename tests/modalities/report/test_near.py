"""Texts: equal but for case and spaces is the same content; nearly equal is near."""

import numpy as np
import pytest

from modalities.report import REPORT
from modalities.report.near import ALIKE, fingerprint, near
from workbench.modality import Sample, Source

WORDS = [f"word{n}" for n in range(90)]


def text(words):
    return REPORT.read(Source(" ".join(words)), REPORT.options(max_tokens=200, vocabulary=4096))


def test_a_sample_without_its_text_has_keys_but_no_content():
    found = fingerprint(Sample(np.arange(9)))
    assert found.content == ""
    assert found.keys.any()


def test_case_and_spaces_do_not_make_another_content():
    one = REPORT.read(Source("No acute  Finding."), REPORT.options())
    same = REPORT.read(Source("no acute finding."), REPORT.options())
    other = REPORT.read(Source("no acute findings."), REPORT.options())
    assert fingerprint(one).content == fingerprint(same).content != ""
    assert fingerprint(one).content != fingerprint(other).content


def test_texts_that_are_cut_alike_differ_in_content():
    options = REPORT.options(max_tokens=16)
    one, other = (REPORT.read(Source(" ".join([*WORDS[:40], end])), options) for end in "ab")
    assert (one.data == other.data).all()
    assert fingerprint(one).content != fingerprint(other).content


def test_one_word_in_a_long_text_is_near_and_ten_are_not():
    one = [*WORDS[:45], "changed", *WORDS[46:]]
    ten = [w if n % 9 else "changed" for n, w in enumerate(WORDS)]
    assert near(text(WORDS), text(one)) == pytest.approx(85 / 91)
    assert near(text(WORDS), text(one)) >= ALIKE > near(text(WORDS), text(ten))
    assert (fingerprint(text(WORDS)).keys == fingerprint(text(one)).keys).any()


def test_strangers_share_no_key():
    other = [f"other{n}" for n in range(90)]
    assert near(text(WORDS), text(other)) < 0.05
    assert not (fingerprint(text(WORDS)).keys == fingerprint(text(other)).keys).any()
