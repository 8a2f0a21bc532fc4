"""Recognises barcodes that differ in at most one base in a hundred.

Legend: L bases.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modalities.dna.alphabet import UNKNOWN, Codes, decode
from modalities.minhash import Pieces, minhash_keys, scramble
from workbench.fingerprint import Fingerprint
from workbench.modality import Sample

WORD = 16
"""Bases per k-mer; four bits hold two bases, so one fits a 32-bit number."""
DISTANCE = 0.01
"""The largest share of differing bases of two barcodes that count as near-copies."""
LEAST_OVERLAP = 0.5
"""The least share of the shorter barcode that must overlap the longer."""


def fingerprint(sample: Sample) -> Fingerprint:
    """Return the fingerprint of a barcode (L,): MinHash keys of its k-mers of known bases."""
    return Fingerprint(minhash_keys(_words(sample.data)[0]))


def near(a: Sample, b: Sample) -> float:
    """Return 1 - distance of two barcodes laid over each other, ends free; 0 for strangers.

    K-mers that both have say how far to shift one over the other. Where those of other shifts say
    that a base is missing inside, and enough k-mers are shared for a distance of one in a hundred,
    the two are aligned with gaps. A base that is not known differs from none.
    """
    words, places = _words(a.data)
    others, beyond = _words(b.data)
    _, here, there = np.intersect1d(words, others, assume_unique=True, return_indices=True)
    if not len(here):
        return 0.0
    shifts, counts = np.unique(places[here] - beyond[there], return_counts=True)
    shift = int(shifts[counts.argmax()])
    one, other = a.data[max(shift, 0) :], b.data[max(-shift, 0) :]
    columns = min(len(one), len(other))
    if columns < LEAST_OVERLAP * min(len(a.data), len(b.data)):
        return 0.0
    distance = _differing(one[:columns], other[:columns]) / columns
    enough = (1 - 1.25 * WORD * DISTANCE) * (columns - WORD + 1)
    if distance <= DISTANCE or counts.max() == len(here) or len(here) < enough:
        return 1 - distance
    return _aligned(a.data, b.data)


def _words(codes: Codes) -> tuple[Pieces, NDArray[np.int64]]:
    """Return the distinct hashed k-mers without an unknown base, sorted, and where each begins."""
    if len(codes) < WORD:
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    runs = np.lib.stride_tricks.sliding_window_view(codes, WORD)
    known = np.flatnonzero((runs != UNKNOWN).all(axis=1))
    powers = np.uint64(4) ** np.arange(WORD, dtype=np.uint64)
    words, first = np.unique(runs[known].astype(np.uint64) @ powers, return_index=True)
    hashed = scramble(words)
    order = np.argsort(hashed)
    return hashed[order], known[first[order]]


def _differing(one: Codes, other: Codes) -> int:
    """Count the places at which two known bases differ."""
    return int(((one != other) & (one != UNKNOWN) & (other != UNKNOWN)).sum())


def _aligned(x: Codes, y: Codes) -> float:
    """Return 1 - the share of differing columns between the outer ends of the alignment."""
    found = _aligner().align(decode(x), decode(y))[0]
    blocks = list(zip(*found.aligned, strict=True))
    columns = sum(int(b - a) for (a, b), _ in blocks)
    differing = sum(_differing(x[a:b], y[c:d]) for (a, b), (c, d) in blocks)
    for (one, other), (after, beyond) in pairwise(blocks):
        gap = int(after[0] - one[1] + beyond[0] - other[1])
        columns, differing = columns + gap, differing + gap
    if columns < LEAST_OVERLAP * min(len(x), len(y)):
        return 0.0
    return 1 - differing / columns


@lru_cache(maxsize=1)
def _aligner() -> Any:
    """Return Biopython's global aligner, gaps at the ends free."""
    from Bio.Align import PairwiseAligner

    aligner: Any = PairwiseAligner()  # type: ignore[no-untyped-call]
    aligner.mode, aligner.match_score, aligner.mismatch_score = "global", 1.0, -1.0
    aligner.internal_gap_score = -2.0
    aligner.end_gap_score = 0.0
    aligner.wildcard = "N"
    return aligner
