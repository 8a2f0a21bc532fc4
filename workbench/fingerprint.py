"""What a sample is recognised by when its copies and near-copies are looked for.

Legend: K keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]

CODE_BITS = 64
NEAR_BITS = 4
"""Most bits in which the codes of two near-copies differ."""

_BANDS = 6
_EDGES = tuple(CODE_BITS * i // _BANDS for i in range(_BANDS + 1))


def _no_keys() -> Keys:
    return np.zeros(0, dtype=np.uint64)


@dataclass(frozen=True)
class Fingerprint:
    """A few numbers that near-copies share and strangers seldom do.

    Attributes:
        keys: (K,) near-copies share at least one key, in the same place; K is one number for all
            samples of a modality, 0 where near-copies are not looked for.
        code: 64 bits of which near-copies differ in at most `NEAR_BITS`; None where the keys are
            all there is.
        content: digest of what counts as the same content beside an equal array, such as the
            normalised text that was cut to length; "" where the array says it all.
    """

    keys: Keys = field(default_factory=_no_keys)
    code: int | None = None
    content: str = ""


def code_keys(code: int) -> Keys:
    """Return 15 keys of a 64-bit code; codes at most `NEAR_BITS` apart share at least one.

    The code is cut into six bands and every two of them make a key: four changed bits leave two
    bands as they were. A key has 20 to 22 bits, so few strangers share one.

    >>> len(set(code_keys(5).tolist()) & set(code_keys(5 ^ (1 << 63)).tolist())) >= 1
    True
    """
    bands = [code >> a & (1 << b - a) - 1 for a, b in pairwise(_EDGES)]
    return np.array([a << 32 | b for a, b in combinations(bands, 2)], dtype=np.uint64)


def code_of(bits: NDArray[np.bool_]) -> int:
    """Return the code of 64 bits, the first the highest."""
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
