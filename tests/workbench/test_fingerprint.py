"""Codes: those that differ little share a key wherever the bits lie, and strangers seldom do."""

from itertools import combinations

import numpy as np
import pytest

from workbench.fingerprint import CODE_BITS, NEAR_BITS, code_keys, code_of


def shared(a, b):
    return int((code_keys(a) == code_keys(b)).sum())


@pytest.mark.parametrize("bits", range(NEAR_BITS + 1))
def test_codes_up_to_four_bits_apart_always_share_a_key(bits):
    rng = np.random.default_rng(bits)
    for _ in range(300):
        code = int(rng.integers(0, 2**64, dtype=np.uint64))
        flipped = sum(1 << int(place) for place in rng.choice(CODE_BITS, bits, replace=False))
        assert shared(code, code ^ flipped) >= 1


def test_every_pair_of_the_worst_places_still_leaves_a_key():
    """One changed bit in each of four bands, whichever four."""
    starts = [CODE_BITS * i // 6 for i in range(6)]
    for bands in combinations(starts, NEAR_BITS):
        assert shared(0, sum(1 << start for start in bands)) == 1


def test_codes_of_strangers_share_no_key():
    codes = np.random.default_rng(0).integers(0, 2**64, 60, dtype=np.uint64).tolist()
    assert sum(shared(a, b) > 0 for a, b in combinations(codes, 2)) == 0


def test_equal_codes_share_every_key():
    assert shared(12345, 12345) == 15


def test_the_first_bit_is_the_highest():
    bits = np.zeros(64, dtype=bool)
    bits[0] = bits[63] = True
    assert code_of(bits) == (1 << 63) + 1
