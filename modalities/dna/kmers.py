"""Turns base codes into k-mer token ids, in the two vocabularies that published models use."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modalities.dna.alphabet import HIDDEN, UNKNOWN, Codes

Vocabulary = Literal["barcodebert", "clibd"]

SPECIALS: dict[str, tuple[str, ...]] = {
    "barcodebert": ("[MASK]", "[UNK]"),
    "clibd": ("<MASK>", "<CLS>", "<UNK>"),
}
"""Special tokens by vocabulary, from id 0 on; the 4^k k-mers follow in lexicographic order of ACGT."""
MASK_ID = 0


def unknown_id(vocabulary: Vocabulary) -> int:
    """Return the id of a k-mer that holds an N."""
    return len(SPECIALS[vocabulary]) - 1


def vocabulary_size(k: int, vocabulary: Vocabulary) -> int:
    """Return the number of token ids.

    >>> vocabulary_size(4, "barcodebert"), vocabulary_size(5, "clibd")
    (258, 1027)
    """
    return int(len(SPECIALS[vocabulary]) + 4**k)


def token_count(length: int, k: int, stride: int) -> int:
    """Return how many k-mers fit into a length, as BarcodeBERT counts them.

    >>> [token_count(660, k, k) for k in (4, 5, 6)]
    [165, 132, 110]
    """
    return max((length - k) // stride + 1, 0)


def tokenize(
    codes: Codes,
    *,
    k: int,
    stride: int | None = None,
    vocabulary: Vocabulary = "barcodebert",
    offset: int = 0,
    length: int | None = None,
) -> NDArray[np.int64]:
    """Return the token ids (T,) of one barcode.

    Equal to BarcodeBERT's and CLIBD's own tokenizers (bioscan-ml/BarcodeBERT, datasets.py;
    bioscan-ml/clibd, dna_encoder.py) for upper-case sequences; CLIBD's leading 0 is not added.

    Args:
        codes: (L,) base codes; HIDDEN (5) turns every k-mer that holds it into the mask token.
        k: bases per token.
        stride: bases between the starts of two tokens; k when None.
        vocabulary: order of the ids.
        offset: bases left out at the start; 0 outside training.
        length: bases to pad to with N, or trim to; no padding and no trimming when None.

    >>> from modalities.dna.alphabet import encode
    >>> tokenize(encode(b"AAAAAAACTTTTACGN"), k=4).tolist()
    [2, 3, 257, 1]
    """
    step = stride or k
    kept = codes[offset:]
    if length is not None:
        kept = np.pad(kept[:length], (0, max(length - len(kept), 0)), constant_values=UNKNOWN)
    if len(kept) < k:
        return np.zeros(0, dtype=np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(kept, k)[::step].astype(np.int64)
    ids = windows @ (4 ** np.arange(k - 1, -1, -1)) + len(SPECIALS[vocabulary])
    ids[(windows >= UNKNOWN).any(axis=1)] = unknown_id(vocabulary)
    ids[(windows == HIDDEN).any(axis=1)] = MASK_ID
    return ids
