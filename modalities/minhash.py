"""Recognises sequences that are made of the same pieces: near-equal texts, near-equal barcodes.

MinHash after Broder, "On the Resemblance and Containment of Documents" (1997): two sets share the
least value under a random hash with the probability of their Jaccard similarity. Four such values
make a key, so that sets must be alike to share one of the sixteen.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workbench.fingerprint import Keys
from workbench.seeding import keyed_rng

Pieces = NDArray[np.uint64]

BANDS, ROWS = 16, 4
_MIX = np.uint64(0x9E3779B97F4A7C15)


def minhash_keys(pieces: Pieces) -> Keys:
    """Return 16 keys of a set of (n,) hashed pieces; without a piece, keys that nothing shares."""
    if not len(pieces):
        return np.zeros(BANDS, dtype=np.uint64)
    least = np.full(BANDS * ROWS, np.iinfo(np.uint64).max, dtype=np.uint64)
    factors, addends = _hashes()
    for start in range(0, len(pieces), 1024):
        mixed = scramble(pieces[start : start + 1024, None] * factors + addends)
        least = np.minimum(least, mixed.min(axis=0))
    keys = np.zeros(BANDS, dtype=np.uint64)
    for row in least.reshape(BANDS, ROWS).T:
        keys = scramble(keys * _MIX + row)
    return keys


def shingles(symbols: NDArray[np.integer], size: int) -> Pieces:
    """Return the distinct hashed runs of `size` symbols; a shorter sequence is one run."""
    values = symbols.astype(np.uint64)
    size = min(size, len(values))
    if not size:
        return np.zeros(0, dtype=np.uint64)
    runs = np.zeros(len(values) - size + 1, dtype=np.uint64)
    for place in range(size):
        runs = scramble(runs * _MIX + values[place : place + len(runs)] + np.uint64(1))
    return np.unique(runs)


def jaccard(a: Pieces, b: Pieces) -> float:
    """Return the share of the distinct pieces of either that both have; 0 for two empty sets."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    either = len(a) + len(b) - both
    return both / either if either else 0.0


def scramble(values: Pieces) -> Pieces:
    """Spread every bit over the whole word (finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)))


@lru_cache(maxsize=1)
def _hashes() -> tuple[Pieces, Pieces]:
    """Return the factors (odd) and addends of the random hashes."""
    drawn = keyed_rng("minhash").integers(0, 2**64, (2, BANDS * ROWS), dtype=np.uint64)
    return drawn[0] | np.uint64(1), drawn[1]
