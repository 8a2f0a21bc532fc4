"""Poses a search to the ranking that the model's score calls for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from eval.gallery import Gallery
from eval.ranking import Problem, Ranked, rank
from eval.scores import Cosine
from eval.scores.scorer import Scorer
from eval.selection import Selection
from eval.side_ranking import SideProblem, rank_sides
from eval.sides import Items, items_of, trained_score
from eval.space import Floats, Space
from eval.ties import Ints

BLOCK = 1024  # items whose tokens become one vector at a time

Names = tuple[str, str]
Related = tuple[Sequence[Ints], Sequence[Ints]]
"""By query, its positives and what it must not see."""


def posed(
    space: Space, names: Names, queries: Selection, gallery: Gallery, *, related: Related, top: int
) -> Problem | SideProblem:
    """Return a search as vectors wherever the score is a cosine of some vectors, else as sides.

    Args:
        space: with the score.
        names: query and gallery modality.
        queries: who asks.
        gallery: what is ranked.
        related: positives and exclusions of the queries.
        top: how many best entries to keep.
    """
    scorer, rule = trained_score(space, None), Cosine()
    if scorer is None:
        left, right = space.vectors[names[0]].values[queries.items], gallery.values
        return Problem(rule, rule.prepare(left), rule.prepare(right), *related, top)
    entries = [gallery.name(number) for number in range(len(gallery))]
    sides = (items_of(space, names[0], queries.ids), items_of(space, names[1], entries))
    single = [_vectors(scorer, items) for items in sides]
    if single[0] is not None and single[1] is not None:
        return Problem(rule, rule.prepare(single[0]), rule.prepare(single[1]), *related, top)
    return SideProblem(scorer, *sides, *related, top)


def ranked(problem: Problem | SideProblem) -> Iterator[Ranked]:
    """Yield the outcome of every query."""
    return rank(problem) if isinstance(problem, Problem) else rank_sides(problem)


def _vectors(scorer: Scorer, items: Items) -> Floats | None:
    """Return the vectors whose cosine is the score, or None where there are none."""
    import torch

    parts = []
    for start in range(0, len(items), BLOCK):
        with torch.inference_mode():
            numbers = np.arange(start, min(start + BLOCK, len(items)))
            part = scorer.score.single(items[numbers].side())
        if part is None:
            return None
        parts.append(part.numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 1), dtype=np.float32)
