"""Looks for stop codons in the six reading frames of a barcode, which tells its strand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modalities.dna.alphabet import Codes

STOPS = {2: ("TAA", "TAG", "AGA", "AGG"), 5: ("TAA", "TAG")}
"""Stop codons by NCBI genetic code: 2 vertebrate, 5 invertebrate mitochondrial."""

_COMPLEMENT = str.maketrans("ACGT", "TGCA")


def stops_by_frame(codes: Codes, genetic_code: int) -> tuple[int, int, int]:
    """Return the stop codons in the three frames of the strand as it stands.

    The last codon of a frame does not count: a gene may end there.

    >>> from modalities.dna.alphabet import encode
    >>> stops_by_frame(encode(b"ATGTAAATGATG"), 5)
    (1, 0, 0)
    """
    return _count(codes, _TABLES[genetic_code])


def stops_by_other_frame(codes: Codes, genetic_code: int) -> tuple[int, int, int]:
    """Return the stop codons in the three frames of the other strand, without turning it."""
    return _count(codes, _REVERSED[genetic_code])


def _count(codes: Codes, table: NDArray[np.uint8]) -> tuple[int, int, int]:
    """Count the codons that a table marks in each of three frames."""
    if len(codes) < 6:
        return 0, 0, 0
    word = codes[:-2] * np.uint8(25) + codes[1:-1] * np.uint8(5) + codes[2:]
    hit = table[word]
    return int(hit[0:-3:3].sum()), int(hit[1:-3:3].sum()), int(hit[2:-3:3].sum())


def _table(codons: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return a look-up table (125,) that is 1 at the words of some codons."""
    table = np.zeros(125, dtype=np.uint8)
    for codon in codons:
        a, b, c = ("ACGT".index(letter) for letter in codon)
        table[a * 25 + b * 5 + c] = 1
    return table


def _turned(codons: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the codons of the other strand look like on this one."""
    return tuple(codon[::-1].translate(_COMPLEMENT) for codon in codons)


_TABLES = {code: _table(codons) for code, codons in STOPS.items()}
_REVERSED = {code: _table(_turned(codons)) for code, codons in STOPS.items()}
