"""Recognises texts that are equal but for case and spaces, or nearly equal.

Legend: T tokens.
"""

from __future__ import annotations

import hashlib
import unicodedata

from modalities.minhash import jaccard, minhash_keys, shingles
from workbench.fingerprint import Fingerprint
from workbench.modality import Sample

ALIKE = 0.9
"""The least Jaccard similarity of two texts that count as near-copies."""
RUN = 3
"""Tokens in a row that are compared as one piece."""


def fingerprint(sample: Sample) -> Fingerprint:
    """Return the fingerprint of a text (T,): MinHash keys of its runs of three tokens.

    Its content is the digest of the whole text after NFC, case folding and collapsing white space.
    """
    text = str(sample.meta.get("text", ""))
    plain = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    content = hashlib.sha256(plain.encode()).hexdigest() if plain else ""
    return Fingerprint(minhash_keys(shingles(sample.data, RUN)), None, content)


def near(a: Sample, b: Sample) -> float:
    """Return the Jaccard similarity of two texts' runs of three tokens."""
    return jaccard(shingles(a.data, RUN), shingles(b.data, RUN))
