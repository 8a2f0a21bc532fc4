"""Which candidates are right for a query, as rows that sum to one.

Legend: B rows, R taxonomic ranks.
"""

from __future__ import annotations

import torch
from torch import Tensor

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


def graded(items: Items, edge: Edge) -> Tensor:
    """Partners weigh by the share of leading ranks they have in common, squared.

    Squaring keeps a family in common worth less than half of a species in common.
    """
    if items.ranks is None:
        raise ValueError("targets graded needs Items.ranks")
    ranks = items.ranks
    same = (ranks[:, None, :] == ranks[None, :, :]) & (ranks >= 0)[:, None, :]
    depth = same.int().cumprod(dim=-1).sum(dim=-1).float() / ranks.shape[1]
    return torch.maximum(depth.square(), identity(items, edge))


TARGETS = {
    "identity": identity,
    "same_text": same_text,
    "same_label": same_label,
    "graded": graded,
}
