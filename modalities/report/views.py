"""Training views of a report that keep what it says."""

from __future__ import annotations

import re

import numpy as np

from modalities.report.polarity import NEGATIONS

_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_LONE_WORD = re.compile(r"[^\W\d_]+")


def sentences(text: str) -> list[str]:
    """Cut a text after full stops and line ends, keeping every word.

    >>> sentences("Clear lungs. No effusion.")
    ['Clear lungs.', 'No effusion.']
    """
    return [part.strip() for part in _SENTENCE.split(text) if part and part.strip()]


def shuffle_sentences(text: str, rng: np.random.Generator, drop: float) -> str:
    """Return the sentences in another order, each left out with chance `drop`, one kept at least.

    A sentence goes with its negation or stays with it, so no statement is turned round.
    """
    parts = sentences(text)
    if len(parts) < 2:
        return text
    kept = np.flatnonzero(rng.random(len(parts)) >= drop)
    if not len(kept):
        kept = rng.integers(len(parts), size=1)
    return " ".join(parts[i] for i in rng.permutation(kept))


def drop_words(text: str, rng: np.random.Generator, drop: float) -> str:
    """Return the text with some words left out, but never a word that negates or doubts."""
    parts = text.split()
    chance = rng.random(len(parts))
    kept = [word for word, c in zip(parts, chance, strict=True) if c >= drop or is_negation(word)]
    return " ".join(kept) if kept else parts[int(rng.integers(len(parts)))]


def drop_tail(text: str, rng: np.random.Generator) -> str:
    """Return the first 1..n words: a lineage "order family genus species" cut at a random rank."""
    parts = text.split()
    return " ".join(parts[: int(rng.integers(1, len(parts) + 1))])


def is_negation(word: str) -> bool:
    """Whether a word, by itself, negates or doubts what stands beside it."""
    found = _LONE_WORD.search(word.lower())
    return found is not None and found[0] in NEGATIONS
