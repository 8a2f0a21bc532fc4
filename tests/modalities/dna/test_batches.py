from __future__ import annotations

import numpy as np
import pytest
import torch

from modalities.dna import DNA
from modalities.dna.alphabet import HIDDEN, UNKNOWN, encode
from workbench.modality import Sample

OPTIONS = DNA.options(max_length=12)


def test_short_ones_are_padded_with_n_long_ones_lose_their_right_end():
    batch = DNA.collate([Sample(encode(b"ACGTN")), Sample(encode(b"ACGT" * 4))], OPTIONS)
    assert batch.values.dtype == torch.int64
    assert batch.values[0].tolist() == [0, 1, 2, 3, 4] + [UNKNOWN] * 7
    assert batch.values[1].tolist() == [0, 1, 2, 3] * 3
    assert batch.valid.sum(dim=1).tolist() == [5, 12]


def test_padding_and_n_are_never_hidden():
    batch = DNA.collate([Sample(encode(b"ACGTNNNNAC"))], OPTIONS)
    masked = DNA.mask(batch, np.random.default_rng(0), OPTIONS, ratio=1.0)
    assert masked.hidden[0].tolist() == [True] * 4 + [False] * 4 + [True] * 2 + [False] * 2


@pytest.mark.parametrize("ratio", [0.15, 0.5, 0.75])
def test_runs_of_four_are_hidden_at_the_ratio(ratio):
    rng = np.random.default_rng(1)
    samples = [Sample(rng.integers(0, 4, 640, dtype=np.uint8)) for _ in range(8)]
    batch = DNA.collate(samples, DNA.options(max_length=640))
    masked = DNA.mask(batch, rng, OPTIONS, ratio=ratio)
    runs = masked.hidden.reshape(8, 160, 4)
    assert torch.equal(runs.any(dim=-1), runs.all(dim=-1))
    assert runs.float().mean().item() == pytest.approx(ratio, abs=0.005)
    assert masked.classes == 5
    assert torch.equal(masked.target, batch.values)
    assert masked.batch.values[masked.hidden].eq(HIDDEN).all()
    assert torch.equal(masked.batch.values[~masked.hidden], batch.values[~masked.hidden])


def test_the_same_draw_hides_the_same():
    batch = DNA.collate([Sample(encode(b"ACGTACGTACGT"))], OPTIONS)
    a = DNA.mask(batch, np.random.default_rng(3), OPTIONS, ratio=0.5)
    b = DNA.mask(batch, np.random.default_rng(3), OPTIONS, ratio=0.5)
    assert torch.equal(a.hidden, b.hidden)
