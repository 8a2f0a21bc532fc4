"""Tests of the changes that training makes to barcodes."""

from __future__ import annotations

import torch
from invented_gene import CODONS, gene

from modalities.dna.alphabet import UNKNOWN
from modalities.dna.divergence import KEPT, diverge, translate


def test_codons_translate_by_both_mitochondrial_codes() -> None:
    codons = torch.tensor([[0, 3, 0, 0, 2, 0, 3, 2, 0, 3, 0, 0, 0, 3, UNKNOWN]])
    letters = "ACDEFGHIKLMNPQRSTVWY*?"
    read = ["".join(letters[a] for a in translate(codons, code)[0]) for code in (2, 5)]
    assert read == ["M*W*?", "MSW*?"]


def test_unknown_bases_stay_unknown_and_known_ones_known() -> None:
    codes = gene().repeat(8, 1)
    codes[:, 50:90] = UNKNOWN
    changed = diverge(codes, 0.3, 5)
    assert torch.equal(changed == UNKNOWN, codes == UNKNOWN)


def test_no_rate_means_no_change() -> None:
    codes = gene().repeat(4, 1)
    assert torch.equal(diverge(codes, 0.0, 5), codes)


def test_changes_fall_on_third_positions_and_spare_the_protein() -> None:
    torch.manual_seed(0)
    codes = gene().repeat(200, 1)
    changed = diverge(codes, 0.1, 5)
    differs = (changed != codes).float().mean(dim=0)
    third = differs[2::3].mean()
    assert 0.05 < differs.mean() < 0.12
    assert third > 5 * differs[0::3].mean()
    acids = (translate(changed, 5) != translate(codes, 5)).float().mean()
    assert acids < KEPT * differs.mean() * 3
    assert acids * CODONS > 0.5
