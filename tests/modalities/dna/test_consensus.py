"""Tests of the reference made from training barcodes."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from invented_gene import gene, relatives
from torch import Tensor

from modalities.dna.alphabet import UNKNOWN, encode
from modalities.dna.consensus import consensus
from modalities.dna.divergence import STOP, translate
from modalities.dna.registration import COLUMNS, other_strand, register, unknown_reference


def padded(rows: list[Tensor], length: int = 700) -> Tensor:
    """Return (N, length), N on the right."""
    codes = torch.full((len(rows), length), UNKNOWN)
    for row, one in enumerate(rows):
        codes[row, : len(one)] = one[:length]
    return codes


def test_barcodes_with_unknown_bases_alone_give_no_reference() -> None:
    codes = relatives(5)
    codes[:, 300] = UNKNOWN
    assert torch.equal(consensus(codes, 5), unknown_reference())


def test_an_empty_batch_of_bases_gives_no_reference() -> None:
    assert torch.equal(consensus(torch.full((3, 50), UNKNOWN), 5), unknown_reference())


def test_the_majority_of_relatives_is_their_gene() -> None:
    assert torch.equal(consensus(relatives(15), 5), gene())


@pytest.mark.parametrize("extra", [1, 2])
def test_bases_before_the_frame_are_cut(extra: int) -> None:
    before = torch.full((15, extra), 3)
    found = consensus(torch.cat([before, relatives(15)], dim=1), 5)
    assert torch.equal(found, gene())


def test_a_first_barcode_of_the_other_strand_is_turned() -> None:
    turned = other_strand(relatives(15))
    assert not (translate(consensus(turned, 5).unsqueeze(0), 5) == STOP).any()
    assert torch.equal(consensus(turned, 5), gene())


def test_one_strand_among_the_other_and_other_starts_change_nothing() -> None:
    rows = list(relatives(20))
    rows[3] = other_strand(rows[3].unsqueeze(0))[0]
    rows[7], rows[9] = rows[7][50:], rows[9][:500]
    assert torch.equal(consensus(padded(rows), 5), gene())


def test_columns_that_few_barcodes_cover_stay_unknown() -> None:
    rows = [row[:600] for row in relatives(30)]
    rows[5] = relatives(30)[5]
    found = consensus(padded(rows), 5)
    assert torch.equal(found[:600], gene()[:600])
    assert (found[600:] == UNKNOWN).all()


def test_the_order_of_equal_lengths_moves_only_the_start() -> None:
    codes = relatives(15)
    assert torch.equal(consensus(codes.flip(0), 5), consensus(codes, 5))


def test_real_insect_barcodes_give_an_open_reading_frame(
    sample_data: Callable[[str], Path],
) -> None:
    path = sample_data("dna/insect-bold/insect_coi.tsv.gz")
    with gzip.open(path, "rt", newline="") as stream:
        cells = [row["nucleotides"] for row in csv.DictReader(stream, delimiter="\t")][::60]
    rows = [torch.from_numpy(encode(cell.encode()).copy()).long() for cell in cells]
    codes = padded(rows, max(len(row) for row in rows))
    reference = consensus(codes, 5)
    assert (reference < UNKNOWN).sum() > COLUMNS - 6
    assert not (translate(reference.unsqueeze(0), 5) == STOP).any()
    laid = register(codes, None, reference)
    stops = (translate(laid.codes, 5) == STOP).any(dim=1)
    same = ((laid.codes == reference) | (laid.codes == UNKNOWN)).float().mean(dim=1)
    assert stops.float().mean() < 0.02
    assert (same > 0.6).float().mean() > 0.99
