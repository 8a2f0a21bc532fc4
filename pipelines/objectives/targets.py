"""Which candidates are right for a query, one block of the batch's table at a time.

A rule is made once per batch and edge; it then answers for any block of rows and columns, so that
no table of the whole batch is ever needed. Weights need not sum to one: the loss divides each row
(and, for the other direction, each column) by its own sum over the valid entries.

Legend: B rows, r x c a block, R taxonomic ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.entry import Edge
from pipelines.objectives.objective import Encoded, Items

Block = Callable[[slice, slice], Tensor]
"""(rows, columns) to an (r, c) float32 block of weights; 0 is not right."""

ROWS_AT_ONCE = 1024
"""Rows whose likeness to the whole batch is held in memory at a time."""


class Own:
    """Only a row's own partner is right."""

    def __init__(self, items: Items) -> None:
        self.place = torch.arange(len(items.ids), device=items.ids.device)

    def __call__(self, rows: slice, columns: slice) -> Tensor:
        """Return the (r, c) block of weights."""
        return (self.place[rows, None] == self.place[None, columns]).float()


def identity(items: Items) -> Block:
    """Only a row's own partner is right."""
    return Own(items)


def same_text(items: Items, edge: Edge) -> Block:
    """Partners with content equal to a row's own, on either side of the edge, are right too."""
    own = identity(items)
    codes = [items.content[name] for name in (edge.query, *edge.candidates)]

    def block(rows: slice, columns: slice) -> Tensor:
        match = own(rows, columns) > 0
        for code in codes:
            match |= (code[rows, None] == code[None, columns]) & (code >= 0)[rows, None]
        return match.float()

    return block


def same_label(items: Items) -> Block:
    """Partners that share a label are right; a row without labels keeps its own partner."""
    if items.label is None:
        raise ValueError("targets same_label needs Items.label")
    own, label = identity(items), items.label.float()

    def block(rows: slice, columns: slice) -> Tensor:
        shared = label[rows] @ label[columns].T > 0
        return (shared | (own(rows, columns) > 0)).float()

    return block


def graded(items: Items, *, shares: Sequence[float]) -> Block:
    """Each rank gives its share evenly to the rows that have it in common.

    Evening out keeps the many members of a high rank from outweighing the few of a low one. What a
    row's unnamed ranks leave over goes to its own partner, so every row sums to one and has a right
    answer.

    Args:
        items: with ranks (B, R), path codes that are unique within their rank.
        shares: R numbers that sum to one, coarse to fine.
    """
    if items.ranks is None:
        raise ValueError("targets graded needs Items.ranks")
    own, ranks = identity(items), items.ranks
    weights = torch.tensor(tuple(shares), device=ranks.device)
    named = (ranks >= 0).int().cumprod(dim=1).bool()
    members = torch.stack([_members(code) for code in ranks.unbind(1)], dim=1)
    given = torch.where(named, weights / members, torch.zeros_like(members))
    left = (1.0 - torch.where(named, weights, torch.zeros_like(members)).sum(1)).clamp_min(0.0)

    def block(rows: slice, columns: slice) -> Tensor:
        found = left[rows, None] * own(rows, columns)
        for rank in range(ranks.shape[1]):
            code = ranks[:, rank]
            same = (code[rows, None] == code[None, columns]) & named[rows, None, rank]
            found = found + given[rows, None, rank] * same
        return found

    return block


def soft(
    items: Items, vectors: Tensor, present: Tensor, *, temperature: float, share: float = 0.3,
    apart: bool = True,
) -> Block:  # fmt: skip
    """Candidates are right as far as they resemble a row's own partner in one modality.

    Weights are exp((cosine - 1) / temperature) of that modality's vectors, held fixed; the partner
    has weight one. Towers that have learnt nothing find everything alike, and targets spread over
    everything teach them to keep it so: the others' weights are scaled down where they would hold
    more than `share` of a row's target. Rows that lack the modality have their own partner alone.

    Args:
        items: whose rows are compared.
        vectors: (B, D) of the modality, not necessarily of length one.
        present: (B,) bool, rows that hold it.
        temperature: of the likeness.
        share: most of a row's target that others may hold, below 1.
        apart: whether other rows of a group are nobody's partner, so that they can be left out.
    """
    with torch.no_grad():
        unit = torch.nn.functional.normalize(vectors.detach().float(), dim=-1)
    own, group = identity(items), items.group

    def likeness(rows: slice, columns: slice) -> Tensor:
        near = ((unit[rows] @ unit[columns].T).clamp(max=1.0) - 1.0) / temperature
        known = present[rows, None] & present[None, columns] & (own(rows, columns) == 0)
        if apart:
            known = known & (group[rows, None] != group[None, columns])
        return near.exp() * known

    every = slice(0, len(unit))
    parts = [slice(i, i + ROWS_AT_ONCE) for i in range(0, len(unit), ROWS_AT_ONCE)]
    total = torch.cat([likeness(part, every).sum(dim=1) for part in parts])
    scale = (share / (1.0 - share) / total.clamp_min(1e-30)).clamp(max=1.0)

    def block(rows: slice, columns: slice) -> Tensor:
        return likeness(rows, columns) * torch.minimum(scale[rows, None], scale[None, columns]) + (
            own(rows, columns)
        )

    return block


def rule(settings: ContrastiveOptions, encoded: Encoded, items: Items, edge: Edge) -> Block:
    """Return the targets that the options name, for one edge of one batch."""
    if settings.targets == "same_text":
        return same_text(items, edge)
    if settings.targets == "same_label":
        return same_label(items)
    if settings.targets == "graded":
        return graded(items, shares=settings.shares())
    if settings.targets == "soft" and settings.soft_from is not None:
        vectors, present = encoded.emb[settings.soft_from], encoded.present[settings.soft_from]
        return soft(
            items, vectors, present, temperature=settings.soft_temperature,
            share=settings.soft_share, apart=settings.exclude_same_group,
        )  # fmt: skip
    return identity(items)


def _members(code: Tensor) -> Tensor:
    """Return (B,) float32: how many rows have a row's code."""
    _, place, counts = torch.unique(code, return_inverse=True, return_counts=True)
    members: Tensor = counts[place].float()
    return members
