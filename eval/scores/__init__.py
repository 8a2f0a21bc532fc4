"""Scores by registry name: how a query is compared with a candidate, to train as to evaluate."""

from __future__ import annotations

from eval.scores.cosine import Cosine
from workbench.errors import Refusal, did_you_mean

__all__ = ["SCORES", "Cosine", "score"]

SCORES = {"cosine": Cosine}


def score(name: str) -> Cosine:
    """Return the score registered under a name; higher is closer.

    The object trains (gradients flow through it) and ranks, so that both mean the same.

    Raises:
        Refusal: the name is unknown.

    >>> score("cosine").name
    'cosine'
    """
    if name not in SCORES:
        raise Refusal(
            "E-CFG-013", file="pipeline", field="score", found=repr(name),
            expected=f"one of {sorted(SCORES)}{did_you_mean(name, SCORES)}",
        )  # fmt: skip
    return SCORES[name]()
