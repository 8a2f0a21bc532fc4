"""Makes the reference that barcodes are laid on, from barcodes themselves.

Legend: N barcodes, L bases as given, R = 657 columns of the reference.
"""

from __future__ import annotations

import torch
from torch import Tensor

from modalities.dna.alphabet import UNKNOWN
from modalities.dna.divergence import STOP, translate
from modalities.dna.registration import COLUMNS, other_strand, register, unknown_reference

ROUNDS = 3
"""How often all barcodes are laid on the reference and vote for the next one."""
COVERED = 0.1
"""Share of the barcodes that must know a base of a column for the column to be known."""
_AT_ONCE = 512


def consensus(codes: Tensor, genetic_code: int) -> Tensor:
    """Return the commonest base (R,) of each column, in reading frame; 4 where not known.

    Begins with the first barcode of the commonest length, cut to the strand and frame with fewest
    stop codons; then all barcodes are laid on it and vote, three times. Without a barcode free of
    unknown bases there is nothing to begin with, and no base is known.

    Args:
        codes: (N, L) base codes, padded on the right with 4.
        genetic_code: NCBI table 2 or 5.
    """
    length = _last_known(codes)
    whole = torch.nonzero(((codes < UNKNOWN).sum(dim=1) == length) & (length >= 3)).squeeze(1)
    if len(whole) == 0:
        return unknown_reference()
    usual = length[whole].mode().values
    seed = codes[whole[length[whole] == usual][0], : int(usual)]
    reference = _in_frame(seed, genetic_code)
    for _ in range(ROUNDS):
        reference = _vote(codes, reference)
    return reference


def _last_known(codes: Tensor) -> Tensor:
    """Return the number of bases (N,) up to the last known one."""
    place = torch.arange(1, codes.shape[1] + 1)
    return torch.where(codes < UNKNOWN, place, 0).amax(dim=1)


def _in_frame(seed: Tensor, genetic_code: int) -> Tensor:
    """Cut one barcode (L,) to whole codons with fewest stops; the strand given wins a tie."""
    best, fewest = unknown_reference(), COLUMNS
    for strand in (seed, other_strand(seed.unsqueeze(0))[0]):
        for frame in range(3):
            part = strand[frame : frame + COLUMNS]
            laid = unknown_reference()
            laid[: len(part) // 3 * 3] = part[: len(part) // 3 * 3]
            stops = int((translate(laid.unsqueeze(0), genetic_code) == STOP).sum())
            if stops < fewest:
                best, fewest = laid, stops
    return best


def _vote(codes: Tensor, reference: Tensor) -> Tensor:
    """Return the commonest base of every column once all barcodes are laid on the reference."""
    counts = torch.zeros(COLUMNS, UNKNOWN, dtype=torch.int64)
    for start in range(0, len(codes), _AT_ONCE):
        part = codes[start : start + _AT_ONCE]
        laid = register(part, None, reference).codes
        counts += torch.stack([(laid == base).sum(dim=0) for base in range(UNKNOWN)], dim=1)
    covered = counts.sum(dim=1) >= COVERED * len(codes)
    return torch.where(covered, counts.argmax(dim=1), UNKNOWN)
