from __future__ import annotations

import numpy as np

from modalities.dna import DNA
from modalities.dna.alphabet import decode, encode
from modalities.dna.synth import lineage
from workbench.modality import Sample

SAMPLE = Sample(lineage("Culex pipiens"))


def view(seed, sample=SAMPLE, **options):
    return DNA.augment(sample, np.random.default_rng(seed), DNA.options(**options))


def test_without_variation_nothing_changes():
    same = view(0, augment_offset=0, augment_trim=0, augment_substitutions=0)
    assert decode(same.data) == decode(SAMPLE.data)


def test_the_original_is_left_as_it_was():
    before = SAMPLE.data.tobytes()
    view(0, augment_substitutions=0.2)
    assert SAMPLE.data.tobytes() == before


def test_a_view_is_one_stretch_of_the_original():
    for seed in range(30):
        part = decode(view(seed, augment_offset=50, augment_trim=80, augment_substitutions=0).data)
        start = decode(SAMPLE.data).index(part)
        assert 0 <= start <= 50
        assert 658 - 80 <= start + len(part) <= 658


def test_substitutions_come_at_the_rate_and_change_the_base():
    changed = sum(
        (
            view(s, augment_offset=0, augment_trim=0, augment_substitutions=0.1).data != SAMPLE.data
        ).mean()
        for s in range(40)
    )
    assert 0.09 < changed / 40 < 0.11


def test_n_stays_n():
    sample = Sample(encode(b"N" * 300))
    assert set(decode(view(1, sample, augment_substitutions=0.2).data)) == {"N"}


def test_short_barcodes_are_not_cut_away():
    assert len(view(0, Sample(encode(b"ACGT" * 3)), augment_offset=50, augment_trim=50).data) == 12
