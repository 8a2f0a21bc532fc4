"""Training views of a barcode: what another sequencing run of the same specimen could have given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from modalities.dna.alphabet import UNKNOWN
from workbench.modality import Sample

SHORTEST = 60
"""No view is cut below this many bases (or below the sample's own length, if that is shorter)."""


def view(
    sample: Sample, rng: np.random.Generator, *, offset: int, trim: int, substitutions: float
) -> Sample:
    """Start a little later, end a little earlier and misread a few bases.

    The strand is kept, no base is inserted and none is lost inside, so the reading frame stays one
    frame throughout and the species stays the same: 0.5 % substitutions lie within the variation
    of one insect species.

    Args:
        sample: barcode, data (L,) base codes.
        rng: source of the draws.
        offset: most bases cut from the start; BarcodeBERT draws 0..k-1.
        trim: most bases cut from the end.
        substitutions: chance that a known base is replaced by another base.
    """
    codes = sample.data
    spare = max(len(codes) - SHORTEST, 0)
    start = min(int(rng.integers(offset + 1)), spare)
    end = len(codes) - min(int(rng.integers(trim + 1)), spare - start)
    kept = codes[start:end].copy()
    struck = (rng.random(len(kept)) < substitutions) & (kept < UNKNOWN)
    other = rng.integers(1, 4, size=len(kept), dtype=np.uint8)
    kept[struck] = (kept[struck] + other[struck]) % 4
    return replace(sample, data=kept)
