"""Tests of laying barcodes on the reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from modalities.dna.alphabet import HIDDEN, UNKNOWN, encode
from modalities.dna.divergence import translate
from modalities.dna.registration import CODONS, COLUMNS, reference_codes, register


def test_the_reference_is_one_open_reading_frame() -> None:
    acids = translate(reference_codes().unsqueeze(0), 5)
    assert acids.shape == (1, CODONS)
    assert not (acids == 20).any()


def test_nothing_known_is_laid_as_nothing_known() -> None:
    laid = register(torch.full((1, 20), HIDDEN), None)
    assert (laid.codes == UNKNOWN).all()


@pytest.mark.parametrize("start", [0, 1, 40, 300])
def test_a_barcode_that_starts_late_is_laid_where_it_belongs(start: int) -> None:
    part = reference_codes()[start : start + 200]
    laid = register(part.unsqueeze(0), None)
    assert int(laid.first) == start
    assert torch.equal(laid.codes[0, start : start + 200], part)
    assert (laid.codes[0] < UNKNOWN).sum() == 200


@pytest.mark.parametrize("extra", [1, 26, 90])
def test_bases_before_the_frame_fall_off(extra: int) -> None:
    primer = torch.arange(extra) % 4
    laid = register(torch.cat([primer, reference_codes()]).unsqueeze(0), None)
    assert int(laid.first) == -extra
    assert torch.equal(laid.codes[0], reference_codes())


def test_the_other_strand_is_turned() -> None:
    other = (3 - reference_codes()[30:]).flip(0)
    laid = register(torch.stack([reference_codes()[30:], other]), None)
    assert laid.turned.tolist() == [False, True]
    assert torch.equal(laid.codes[0], laid.codes[1])


def test_half_the_bases_hidden_are_enough() -> None:
    codes = reference_codes()
    hidden = torch.rand(COLUMNS, generator=torch.Generator().manual_seed(0)) < 0.5
    laid = register(codes[17:].masked_fill(hidden[17:], HIDDEN).unsqueeze(0), None)
    assert int(laid.first) == 17
    assert torch.equal(laid.codes[0] == UNKNOWN, hidden | (torch.arange(COLUMNS) < 17))


def test_real_insect_barcodes_lie_in_frame(sample_data: Callable[[str], Path]) -> None:
    text = sample_data("dna/insect-bold/insect_coi_small.fasta").read_text()
    codes = [encode("".join(r.split("\n")[1:]).encode()) for r in text.split(">")[1:]]
    values = torch.full((len(codes), 660), UNKNOWN)
    for row, one in enumerate(codes):
        values[row, : len(one)] = torch.from_numpy(one[:660].astype(np.int64))
    laid = register(values, values < UNKNOWN)
    stops = (translate(laid.codes, 5) == 20).any(dim=1)
    same = ((laid.codes == reference_codes()) | (laid.codes == UNKNOWN)).float().mean(dim=1)
    assert stops.float().mean() < 0.01
    assert (same > 0.6).float().mean() > 0.99
