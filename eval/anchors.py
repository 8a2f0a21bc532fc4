"""Scores of queries against classes, each class a set of prompt vectors.

Legend: n queries, C classes, E width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eval.prompts import Aggregate
from eval.scores import score
from eval.scores.cosine import unit
from eval.space import Floats
from workbench.errors import Failure

Reals = NDArray[np.float64]


def class_scores(
    query: Floats, prompts: Mapping[str, Sequence[str]], *, texts: Mapping[str, Floats],
    aggregate: Aggregate, tau: float, name: str,
) -> Reals:  # fmt: skip
    """Return (n, C) scores; the order of operations is fixed by `aggregate`.

    Args:
        query: (n, E) vectors.
        prompts: every class's prompts, in the order of the classes.
        texts: unit vectors by text.
        aggregate: "mean_embedding" averages unit prompt vectors, the others average scores.
        tau: temperature of "logsumexp".
        name: registry name of the score.

    Raises:
        Failure: a prompt has no vector.
    """
    absent = [text for group in prompts.values() for text in group if text not in texts]
    if absent:
        raise Failure(f"{len(absent)} prompts have no vector, the first is {absent[0]!r}")
    rule = score(name)
    if aggregate == "mean_embedding":
        means = [unit(_stack(group, texts)).mean(axis=0) for group in prompts.values()]
        return rule.exact_table(query, unit(np.stack(means)).astype(np.float32))
    flat = [text for group in prompts.values() for text in group]
    table = rule.exact_table(query, _stack(flat, texts))
    return reduce_classes(table, [len(group) for group in prompts.values()], aggregate, tau)


def reduce_classes(table: Reals, sizes: Sequence[int], aggregate: Aggregate, tau: float) -> Reals:
    """Reduce (n, prompts of all classes one after another) to (n, C), prompts a class in `sizes`."""
    parts = np.split(table, np.cumsum(sizes)[:-1], axis=1)
    return np.stack([_reduce(part, aggregate, tau) for part in parts], axis=1)


def _stack(group: Sequence[str], texts: Mapping[str, Floats]) -> Floats:
    return np.stack([np.asarray(texts[text], dtype=np.float32) for text in group])


def _reduce(table: Reals, aggregate: Aggregate, tau: float) -> Reals:
    """Reduce (n, prompts of one class) to (n,)."""
    if aggregate == "max_score":
        return np.asarray(table.max(axis=1))
    if aggregate == "mean_score":
        return np.asarray(table.mean(axis=1))
    peak = table.max(axis=1, keepdims=True)
    return np.asarray(peak[:, 0] + tau * np.log(np.mean(np.exp((table - peak) / tau), axis=1)))
