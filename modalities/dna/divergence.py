"""Changes registered barcodes the way related insect species differ, for training.

Legend: B batch, R columns in reading frame, C = R / 3 codons.
"""

from __future__ import annotations

import torch
from torch import Tensor

from modalities.dna.alphabet import UNKNOWN

AMINO_ACIDS = 21
"""Twenty and the stop; a codon with an unknown base translates to this number itself."""

_TABLES = {
    2: "FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNKKSS**VVVVAAAADDEEGGGG",
    5: "FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNKKSSSSVVVVAAAADDEEGGGG",
}
"""NCBI translation tables 2 and 5, bases in the order T, C, A, G."""
_ACIDS = "ACDEFGHIKLMNPQRSTVWY*"
STOP = _ACIDS.index("*")

THIRD, OTHER = 2.4, 0.3
"""How much faster than the average third positions change, and the first two."""
TRANSITIONS = 0.5
"""Share of changes that are A<->G or C<->T beyond those that chance gives."""
KEPT = 0.2
"""Chance that a change of the amino acid stands; selection removes the others."""


def translate(codes: Tensor, genetic_code: int) -> Tensor:
    """Return amino acids 0..20 of codes (B, R) as (B, C), 21 where a base is not known."""
    codon = codes.reshape(len(codes), -1, 3)
    index = codon[..., 0] * 16 + codon[..., 1] * 4 + codon[..., 2]
    known = (codon < UNKNOWN).all(dim=2)
    return _acid_of(genetic_code).to(codes.device)[torch.where(known, index, 64)]


def diverge(codes: Tensor, rate: float, genetic_code: int) -> Tensor:
    """Substitute bases, mostly at third positions and mostly without changing the protein.

    Each barcode draws its own rate between 0 and twice `rate` (average changes per base, before
    selection). Draws come from torch's default generator.

    Args:
        codes: (B, R) base codes, in frame.
        rate: 0..0.4.
        genetic_code: NCBI table 2 or 5.
    """
    third = torch.arange(codes.shape[1], device=codes.device) % 3 == 2
    speed = torch.where(third, THIRD, OTHER)
    share = 2 * rate * torch.rand(len(codes), 1, device=codes.device)
    hit = (torch.rand(codes.shape, device=codes.device) < share * speed) & (codes < UNKNOWN)
    anything = torch.randint(0, 4, codes.shape, device=codes.device)
    transition = torch.rand(codes.shape, device=codes.device) < TRANSITIONS
    changed = torch.where(hit, torch.where(transition, (codes + 2) % 4, anything), codes)
    differs = translate(codes, genetic_code) != translate(changed, genetic_code)
    stands = torch.rand(differs.shape, device=codes.device) < KEPT
    undone = (differs & ~stands).repeat_interleave(3, dim=1)
    return torch.where(undone, codes, changed)


def _acid_of(genetic_code: int) -> Tensor:
    """Return the amino acid (65,) of each codon in A, C, G, T order; the last is unknown."""
    table, order = _TABLES[genetic_code], [2, 1, 3, 0]
    acids = [
        _ACIDS.index(table[order[a] * 16 + order[b] * 4 + order[c]])
        for a in range(4)
        for b in range(4)
        for c in range(4)
    ]
    return torch.tensor([*acids, AMINO_ACIDS])
