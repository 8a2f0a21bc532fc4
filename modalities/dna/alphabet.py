"""The base codes of DNA barcodes: one small integer per base, with N for whatever is not known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint8]

LETTERS = "ACGTN"
UNKNOWN = 4
"""N: the base is not known, or is padding."""
HIDDEN = 5
"""Stands in a batch for a base that masked pretraining hides; never in a sample."""
CLASSES = 5
"""Number of symbols that a base may be predicted as."""

AMBIGUOUS = "RYSWKMBDHV"
"""IUPAC codes for two or three bases (NC-IUB 1984); each is read as N."""
GAPS = "-."

_BASES = np.frombuffer(LETTERS.encode(), dtype=np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, UNKNOWN], dtype=np.uint8)
_TO_CODE = bytes("ACGT".index(chr(byte)) if chr(byte) in "ACGT" else UNKNOWN for byte in range(256))


def encode(letters: bytes) -> Codes:
    """Return base codes (L,) of upper-case letters; every letter but A, C, G, T becomes N.

    >>> encode(b"ACGTRN").tolist()
    [0, 1, 2, 3, 4, 4]
    """
    return np.frombuffer(letters.translate(_TO_CODE), dtype=np.uint8)


def decode(codes: Codes) -> str:
    """Return the letters of base codes (L,).

    >>> decode(encode(b"ACGTN"))
    'ACGTN'
    """
    return bytes(_BASES[codes]).decode()


def reverse_complement(codes: Codes) -> Codes:
    """Return the other strand (L,), read 5' to 3'.

    >>> decode(reverse_complement(encode(b"AACG")))
    'CGTT'
    """
    return _COMPLEMENT[codes[::-1]]
