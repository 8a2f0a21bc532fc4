"""Which candidates are right for a query, as rows that sum to one.

Legend: B rows, R taxonomic ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.entry import Edge
from pipelines.objectives.objective import Items


def identity(items: Items, edge: Edge) -> Tensor:
    """Only a row's own partner is right. Returns (B, B) float32."""
    del edge
    return torch.eye(len(items.ids), device=items.ids.device)


def same_text(items: Items, edge: Edge) -> Tensor:
    """Partners with content equal to a row's own, on either side of the edge, are right too."""
    match = torch.eye(len(items.ids), dtype=torch.bool, device=items.ids.device)
    for name in (edge.query, *edge.candidates):
        codes = items.content[name]
        match |= (codes[:, None] == codes[None, :]) & (codes >= 0)[:, None]
    return match.float()


def same_label(items: Items, edge: Edge) -> Tensor:
    """Partners that share a label are right; a row without labels keeps its own partner."""
    if items.label is None:
        raise ValueError("targets same_label needs Items.label")
    shared = items.label.float() @ items.label.float().T > 0
    return (shared | identity(items, edge).bool()).float()


def graded(items: Items, edge: Edge, *, shares: Sequence[float]) -> Tensor:
    """Each rank gives its share evenly to the rows that have it in common. Returns (B, B) float32.

    Evening out keeps the many members of a high rank from outweighing the few of a low one. What a
    row's unnamed ranks leave over goes to its own partner, so every row sums to one and has a right
    answer.

    Args:
        items: with ranks (B, R).
        edge: not used.
        shares: R numbers that sum to one, coarse to fine.
    """
    if items.ranks is None:
        raise ValueError("targets graded needs Items.ranks")
    ranks = items.ranks
    same = (ranks[:, None, :] == ranks[None, :, :]) & (ranks >= 0)[:, None, :]
    path = same.int().cumprod(dim=-1).float()
    weights = torch.tensor(tuple(shares), device=ranks.device)
    given = (weights * path / path.sum(dim=1, keepdim=True).clamp_min(1.0)).sum(dim=-1)
    left = (1.0 - given.sum(dim=1)).clamp_min(0.0)
    return given + left[:, None] * identity(items, edge)


TARGETS: Mapping[str, Callable[[Items, Edge], Tensor]] = {
    "identity": identity,
    "same_text": same_text,
    "same_label": same_label,
}


def rule(settings: ContrastiveOptions) -> Callable[[Items, Edge], Tensor]:
    """Return the targets that the options name."""
    if settings.targets == "graded":
        return partial(graded, shares=settings.shares())
    return TARGETS[settings.targets]
