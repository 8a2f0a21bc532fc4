"""Scores by registry name: how a query is compared with a candidate, to train as to evaluate."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eval.scores.cosine import Cosine
from eval.scores.side import Side
from workbench.errors import Refusal, did_you_mean

if TYPE_CHECKING:
    from eval.scores.base import Score

__all__ = ["SCORES", "Cosine", "Side", "score", "side_score"]

SCORES: Mapping[str, str] = {
    "cosine": "eval.scores.pooled:Pooled",
    "volume": "eval.scores.volume:Volume",
    "late": "eval.scores.late:Late",
    "segment_attention": "eval.scores.segments:SegmentAttention",
    "mil_nce": "eval.scores.bags:Bags",
    "fdt": "eval.scores.codebook:Codebook",
}
"""Registry name to "module:Class"; a class is imported when its name is used."""


def score(name: str) -> Cosine:
    """Return the score of single vectors registered under a name; higher is closer.

    Raises:
        Refusal: the name is unknown, or compares more than single vectors.

    >>> score("cosine").name
    'cosine'
    """
    if name != "cosine":
        raise _unknown(name, ["cosine"])
    return Cosine()


def side_score(name: str, dim: int, **options: Any) -> Score:
    """Return the score registered under a name, for whole sides: tokens, several modalities.

    The object trains (gradients flow through it, its parameters are saved with the checkpoint) and
    ranks, so that both mean the same.

    Args:
        name: registry name.
        dim: width of the shared space.
        **options: options of that score.

    Raises:
        Refusal: the name is unknown.
    """
    if name not in SCORES:
        raise _unknown(name, list(SCORES))
    module, _, attribute = SCORES[name].partition(":")
    made: Score = getattr(importlib.import_module(module), attribute)(dim=dim, **options)
    made.given = {"dim": dim, **options}
    return made


def _unknown(name: str, known: list[str]) -> Refusal:
    return Refusal(
        "E-CFG-013", file="pipeline", field="score", found=repr(name),
        expected=f"one of {sorted(known)}{did_you_mean(name, known)}",
    )  # fmt: skip
