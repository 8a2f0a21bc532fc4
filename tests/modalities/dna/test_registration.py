"""Tests of laying barcodes on the reference."""

from __future__ import annotations

import pytest
import torch
from invented_gene import gene

from modalities.dna.alphabet import HIDDEN, UNKNOWN
from modalities.dna.registration import COLUMNS, register, unknown_reference


def test_without_a_reference_barcodes_are_laid_as_given() -> None:
    codes = torch.stack([gene()[:400], (3 - gene()[:400]).flip(0)])
    laid = register(codes, None, unknown_reference())
    assert torch.equal(laid.codes[:, :400], codes)
    assert (laid.codes[:, 400:] == UNKNOWN).all()
    assert laid.first.tolist() == [0, 0]
    assert not laid.turned.any()


def test_nothing_known_is_laid_as_nothing_known() -> None:
    laid = register(torch.full((1, 20), HIDDEN), None, gene())
    assert (laid.codes == UNKNOWN).all()


@pytest.mark.parametrize("start", [0, 1, 40, 300])
def test_a_barcode_that_starts_late_is_laid_where_it_belongs(start: int) -> None:
    part = gene()[start : start + 200]
    laid = register(part.unsqueeze(0), None, gene())
    assert int(laid.first) == start
    assert torch.equal(laid.codes[0, start : start + 200], part)
    assert (laid.codes[0] < UNKNOWN).sum() == 200


@pytest.mark.parametrize("extra", [1, 26, 90])
def test_bases_before_the_frame_fall_off(extra: int) -> None:
    primer = torch.arange(extra) % 4
    laid = register(torch.cat([primer, gene()]).unsqueeze(0), None, gene())
    assert int(laid.first) == -extra
    assert torch.equal(laid.codes[0], gene())


def test_the_other_strand_is_turned() -> None:
    other = (3 - gene()[30:]).flip(0)
    laid = register(torch.stack([gene()[30:], other]), None, gene())
    assert laid.turned.tolist() == [False, True]
    assert torch.equal(laid.codes[0], laid.codes[1])


def test_half_the_bases_hidden_are_enough() -> None:
    codes = gene()
    hidden = torch.rand(COLUMNS, generator=torch.Generator().manual_seed(0)) < 0.5
    laid = register(codes[17:].masked_fill(hidden[17:], HIDDEN).unsqueeze(0), None, gene())
    assert int(laid.first) == 17
    assert torch.equal(laid.codes[0] == UNKNOWN, hidden | (torch.arange(COLUMNS) < 17))


def test_unknown_columns_of_the_reference_do_not_pull() -> None:
    reference = gene()
    reference[:200] = UNKNOWN
    laid = register(gene()[100:500].unsqueeze(0), None, reference)
    assert int(laid.first) == 100
    assert torch.equal(laid.codes[0, 100:500], gene()[100:500])
