"""An invented gene with an open reading frame as long as a COI barcode, and barcodes of it."""

from __future__ import annotations

import torch
from torch import Tensor

from modalities.dna.divergence import STOP, translate

CODONS = 219


def gene(seed: int = 0) -> Tensor:
    """Return base codes (657,), two thirds A and T, without stop codons in its first frame."""
    draws = torch.Generator().manual_seed(seed)
    share = torch.tensor([0.33, 0.17, 0.17, 0.33])
    spare = torch.multinomial(share, 6 * CODONS, replacement=True, generator=draws).reshape(-1, 3)
    open_ones = (translate(spare.reshape(1, -1), 2) != STOP)[0]
    return spare[open_ones][:CODONS].reshape(-1)


def relatives(count: int, changes: int = 80, seed: int = 1) -> Tensor:
    """Return (count, 657): the gene with random substitutions, others in every row."""
    draws = torch.Generator().manual_seed(seed)
    codes = gene().repeat(count, 1)
    for row in codes:
        where = torch.randperm(len(row), generator=draws)[:changes]
        row[where] = (row[where] + 1 + torch.randint(0, 3, (changes,), generator=draws)) % 4
    return codes
