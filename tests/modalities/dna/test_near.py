"""Near-copies of a barcode: one base in a hundred, gaps and ends allowed for."""

from dataclasses import replace

import numpy as np
import pytest

from modalities.dna.alphabet import UNKNOWN
from modalities.dna.near import DISTANCE, fingerprint, near
from workbench.modality import Sample

NEAR = 1 - DISTANCE


def barcode(seed, length=658):
    return Sample(np.random.default_rng(seed).integers(0, 4, length).astype(np.uint8))


def changed(sample, count, seed=0):
    places = np.random.default_rng(seed).choice(len(sample.data), count, replace=False)
    codes = sample.data.copy()
    codes[places] = (codes[places] + 1) % 4
    return replace(sample, data=codes)


def share_a_key(a, b):
    return bool((fingerprint(a).keys == fingerprint(b).keys).any())


@pytest.mark.parametrize("length", [1, 15, 16])
def test_a_very_short_barcode_is_no_error(length):
    short = barcode(0, length)
    assert len(fingerprint(short).keys) == len(fingerprint(barcode(1)).keys)
    assert near(short, barcode(1)) == 0


def test_strangers_are_not_near():
    assert near(barcode(1), barcode(2)) == 0
    assert not share_a_key(barcode(1), barcode(2))


@pytest.mark.parametrize(
    ("count", "found"), [(0, True), (3, True), (6, True), (7, False), (20, False)]
)
def test_the_line_lies_at_one_base_in_a_hundred(count, found):
    whole = barcode(3)
    likeness = near(whole, changed(whole, count))
    assert likeness == pytest.approx(1 - count / 658)
    assert (likeness >= NEAR) == found
    if found:
        assert share_a_key(whole, changed(whole, count))


def test_ends_cut_off_cost_nothing():
    whole = barcode(4)
    cut = replace(whole, data=whole.data[25:-40])
    assert near(whole, cut) == near(cut, whole) == 1
    assert share_a_key(whole, cut)


def test_a_missing_base_inside_is_one_difference():
    whole = barcode(5)
    cut = replace(whole, data=np.delete(whole.data, 300))
    assert near(whole, cut) == pytest.approx(1 - 1 / 658)
    assert share_a_key(whole, cut)


def test_unknown_bases_differ_from_nothing():
    whole = barcode(6)
    codes = whole.data.copy()
    codes[100:120] = UNKNOWN
    assert near(whole, replace(whole, data=codes)) == 1


def test_a_short_overlap_is_no_copy():
    whole = barcode(7)
    beyond = np.concatenate([whole.data[-100:], barcode(8).data])
    assert near(whole, Sample(beyond)) == 0
