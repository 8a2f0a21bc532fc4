"""Gradients of several loss terms made to agree before they are added.

Where two terms pull shared weights in opposite directions, each gives up the part of its gradient
that works against the other. The projection is that of PCGrad (Yu et al., Gradient Surgery for
Multi-Task Learning, arXiv 2001.06782): for two terms g1 - (g1 g2 / |g2|^2) g2, and the same with 1
and 2 exchanged, from the gradients as they were. Gradient harmonization between pairs of modalities
(Wu et al., arXiv 2211.02077) has the same aim; its projection for each sample instead of each
batch, and its curriculum that passes over the samples whose terms disagree most, are left out,
because their details could not be verified.

Legend: k terms, P parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Gradients = Sequence[Sequence[Tensor | None]]
"""k times P gradients of the weighted terms, None where a term does not reach a parameter."""


def harmonized(grads_per_term: Gradients) -> list[Tensor | None]:
    """Return P gradients: the sum over terms, each freed of what works against another.

    Terms without conflict give the plain sum exactly. A parameter that no term reaches has None.

    Args:
        grads_per_term: k lists of P gradients, already added up over processes, since projection
            is not linear; of shared parameters only, to keep the cost low.

    Raises:
        ValueError: the terms do not list the same number of parameters.
    """
    weights = coefficients(products(grads_per_term)).sum(dim=0).tolist()
    found: list[Tensor | None] = []
    for gradients in zip(*grads_per_term, strict=True):
        parts = [w * g for w, g in zip(weights, gradients, strict=True) if g is not None]
        found.append(torch.stack(parts).sum(dim=0) if parts else None)
    return found


def conflict_share(grads_per_term: Gradients) -> float:
    """Return which share of the pairs of terms have gradients that point against each other."""
    table = products(grads_per_term)
    pairs = torch.triu(torch.ones_like(table, dtype=torch.bool), diagonal=1)
    return float((table[pairs] < 0).double().mean()) if bool(pairs.any()) else 0.0


def products(grads_per_term: Gradients) -> Tensor:
    """Return the (k, k) float64 inner products of the terms' whole gradients.

    Raises:
        ValueError: the terms do not list the same number of parameters.
    """
    if len({len(gradients) for gradients in grads_per_term}) > 1:
        raise ValueError("every term needs one gradient, or None, for each parameter")
    count = len(grads_per_term)
    table = torch.zeros(count, count, dtype=torch.float64)
    for gradients in zip(*grads_per_term, strict=True):
        for i, one in enumerate(gradients):
            for j, other in enumerate(gradients[: i + 1]):
                if one is not None and other is not None:
                    table[i, j] += (one.double() * other.double()).sum().cpu()
    return torch.tril(table) + torch.tril(table, diagonal=-1).T


def coefficients(table: Tensor) -> Tensor:
    """Return (k, k) float64: row i says how much of each original gradient term i is left with.

    A term is projected against the others one after the other, always against their original
    gradients and only where what is left of it still works against them. The order is that in
    which the terms are listed, as in the authors' code (the paper draws it at random), so that
    equal runs give equal gradients. Projections stay combinations of the originals, so that the
    inner products alone decide them.

    Args:
        table: (k, k) inner products of the gradients.
    """
    left = torch.eye(len(table), dtype=table.dtype)
    for i in range(len(table)):
        for j in range(len(table)):
            against = left[i] @ table[:, j]
            if i != j and against < 0:
                left[i, j] -= against / table[j, j]
    return left
