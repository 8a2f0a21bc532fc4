from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from modalities.dna.alphabet import HIDDEN, encode
from modalities.dna.kmers import SPECIALS, token_count, tokenize, vocabulary_size

SPECIAL_COUNT = {"barcodebert": 2, "clibd": 3}


def slow_ids(text, k, stride, vocabulary, offset=0, length=660):
    """The published rule, word by word: a dictionary over all k-mers, unknown for the rest."""
    names = list(SPECIALS[vocabulary]) + ["".join(p) for p in product("ACGT", repeat=k)]
    number = {name: i for i, name in enumerate(names)}
    unknown = number["[UNK]" if vocabulary == "barcodebert" else "<UNK>"]
    x = text[offset:]
    x = x[:length] if len(x) > length else x + "N" * (length - len(x))
    return [number.get(x[i : i + k], unknown) for i in range(0, len(x) - k + 1, stride)]


def test_too_short_sequences_have_no_tokens():
    assert tokenize(encode(b"ACG"), k=4).shape == (0,)


def test_known_ids_of_barcodebert():
    # [MASK] 0, [UNK] 1, AAAA 2, AAAC 3, CAAA 2 + 64, TTTT 257
    ids = tokenize(encode(b"AAAAAAACCAAATTTTACGNA"), k=4)
    assert ids.tolist() == [2, 3, 66, 257, 1]


def test_known_ids_of_clibd():
    # <MASK> 0, <CLS> 1, <UNK> 2, AAAAA 3, TTTTT 3 + 1023
    assert tokenize(encode(b"AAAAATTTTTAANAA"), k=5, vocabulary="clibd").tolist() == [3, 1026, 2]


@pytest.mark.parametrize("vocabulary", SPECIAL_COUNT)
@pytest.mark.parametrize(("k", "stride"), [(4, 4), (5, 5), (6, 6), (4, 1), (3, 2)])
@pytest.mark.parametrize("size", [1, 57, 658, 660, 700])
def test_ids_equal_the_published_rule(vocabulary, k, stride, size):
    text = "".join(
        np.random.default_rng(size).choice(list("ACGTN"), size, p=[0.3, 0.2, 0.15, 0.33, 0.02])
    )
    for offset in (0, k - 1):
        ids = tokenize(
            encode(text.encode()),
            k=k,
            stride=stride,
            vocabulary=vocabulary,
            offset=offset,
            length=660,
        )
        assert ids.tolist() == slow_ids(text, k, stride, vocabulary, offset)


@pytest.mark.parametrize(("k", "count"), [(4, 165), (5, 132), (6, 110)])
def test_token_counts_are_the_published_ones(k, count):
    assert token_count(660, k, k) == count
    assert len(tokenize(encode(b"A" * 658), k=k, length=660)) == count


def test_vocabulary_sizes():
    assert [vocabulary_size(4, v) for v in ("barcodebert", "clibd")] == [258, 259]


def test_hidden_bases_become_the_mask_even_beside_n():
    codes = encode(b"ACGTNCGTACGT").copy()
    codes[5] = HIDDEN
    assert tokenize(codes, k=4)[1] == 0
