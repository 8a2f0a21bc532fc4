"""The figure that early stopping watches: mean reciprocal rank of partners on validation rows.

Legend: H held-out rows, E shared width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from eval.scores.base import Score
from eval.scores.pooled import Pooled
from pipelines.objectives.entry import Edge
from pipelines.objectives.objective import Encoded, Items, Objective
from pipelines.objectives.pairs import side_of


def mean_reciprocal_rank(
    objective: Objective, edges: Sequence[Edge], encoded: Encoded, items: Items
) -> float | None:
    """Return the mean over edges and both directions, or None without any pair.

    Partners are compared by the objective's own score where it has one. Equal contents, such as
    identical reports, count as partners.

    Args:
        objective: what was trained.
        edges: the comparisons, where the objective names none of its own.
        encoded: H held-out rows.
        items: what is known of them.
    """
    edges = tuple(getattr(objective, "edges", edges))
    own = getattr(objective, "score", None)
    values = [_edge(own if isinstance(own, Score) else None, encoded, items, e) for e in edges]
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None


def _edge(score: Score | None, encoded: Encoded, items: Items, edge: Edge) -> float | None:
    query, candidate = side_of(encoded, (edge.query,)), side_of(encoded, edge.candidates)
    both = (query.any_present() & candidate.any_present()).nonzero()[:, 0]
    if len(both) < 2:
        return None
    compare = score or Pooled(dim=next(iter(encoded.emb.values())).shape[1])
    scores = compare(query, candidate)[both][:, both]
    same = torch.eye(len(both), dtype=torch.bool, device=scores.device)
    for name in (edge.query, *edge.candidates):
        code = items.content[name][both]
        same |= (code[:, None] == code[None, :]) & (code >= 0)[:, None]
    return 0.5 * (_mrr(scores, same) + _mrr(scores.T, same.T))


def _mrr(scores: Tensor, relevant: Tensor) -> float:
    """Mean reciprocal rank of the best relevant column; ties count against it."""
    best = scores.masked_fill(~relevant, float("-inf")).amax(dim=1, keepdim=True)
    ahead = ((scores >= best) & ~relevant).sum(dim=1)
    return float((1.0 / (1 + ahead).float()).mean())
