"""Lays barcodes on the frame of a reference COI barcode, whatever base or strand they start on.

Legend: B batch, L bases as given, R = 657 columns of the reference, C = 219 codons.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from modalities.dna.alphabet import UNKNOWN

COLUMNS = 657
"""Bases of the reference: the 219 whole codons of the Folmer region of COI."""
CODONS = COLUMNS // 3

_PHASE = (1.0, 1.0j, -1.0j, -1.0, 0.0, 0.0)
"""A, C, G, T, N, hidden as complex numbers: a match scores 1, a base and its complement -1, all
other pairs 0, so that the other strand is the same signal reversed with its sign changed."""
_WEAK = 0.45
"""Share of matching bases below which the other strand is tried; unrelated DNA scores 0.1."""


@dataclass(frozen=True)
class Registered:
    """Barcodes on the reference's columns.

    Attributes:
        codes: (B, R) base codes 0..3, 4 where nothing is known.
        first: (B,) column of the first base of the strand that was laid; may be negative.
        turned: (B,) bool, whether the other strand was laid.
    """

    codes: Tensor
    first: Tensor
    turned: Tensor


def unknown_reference() -> Tensor:
    """Return the reference (R,) of which no base is known yet."""
    return torch.full((COLUMNS,), UNKNOWN)


def known_codes(values: Tensor, valid: Tensor | None) -> Tensor:
    """Return base codes (B, L) with N for padding and for all that is not known."""
    codes = values.clamp(max=UNKNOWN)
    return codes if valid is None else codes.masked_fill(~valid, UNKNOWN)


def register(values: Tensor, valid: Tensor | None, reference: Tensor) -> Registered:
    """Slide each barcode along the reference and lay it where most bases agree.

    No gap is opened: behind an insertion or deletion a barcode is laid wrongly, up to its end.
    Where no base of the reference is known, barcodes are laid as given, from the first column on.

    Args:
        values: (B, L) base codes; 4 and above are not known.
        valid: (B, L) bool, or None.
        reference: (R,) base codes, 4 where not known.
    """
    codes = known_codes(values, valid)
    turned = torch.zeros(len(codes), dtype=torch.bool, device=codes.device)
    if not bool((reference < UNKNOWN).any()):
        first = torch.zeros(len(codes), dtype=torch.int64, device=codes.device)
        return Registered(_lay(codes, first), first, turned)
    score, first = _slide(codes, reference)
    known = (codes < UNKNOWN).sum(dim=1)
    weak = torch.nonzero(score < _WEAK * known).squeeze(1)
    if len(weak):
        other = other_strand(codes[weak])
        other_score, other_first = _slide(other, reference)
        better = other_score > score[weak]
        rows = weak[better]
        codes = codes.index_copy(0, rows, other[better])
        first = first.index_copy(0, rows, other_first[better])
        turned[rows] = True
    return Registered(_lay(codes, first), first, turned)


def _slide(codes: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best agreement (B,) and the column of the first base (B,) that reaches it."""
    phase = torch.tensor(_PHASE, dtype=torch.complex64, device=codes.device)
    length = codes.shape[1]
    size = 1 << (length + COLUMNS - 1).bit_length()
    signal = torch.fft.fft(phase[reference], n=size)
    product = torch.fft.fft(phase[codes], n=size).conj() * signal
    agreement = torch.fft.ifft(product).real
    score, place = agreement.max(dim=1)
    return score, torch.where(place < COLUMNS, place, place - size)


def _lay(codes: Tensor, first: Tensor) -> Tensor:
    """Return (B, R): column c holds base c - first, or N where there is none."""
    place = torch.arange(COLUMNS, device=codes.device) - first.unsqueeze(1)
    inside = (place >= 0) & (place < codes.shape[1])
    laid = codes.gather(1, place.clamp(0, codes.shape[1] - 1))
    return laid.masked_fill(~inside, UNKNOWN)


def other_strand(codes: Tensor) -> Tensor:
    """Return the reverse complement (B, L); N stays N."""
    return torch.where(codes < UNKNOWN, 3 - codes, codes).flip(1)
