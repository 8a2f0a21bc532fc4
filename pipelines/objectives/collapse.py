"""Says how far vectors have collapsed, which objectives without negatives have to be watched for."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize


def collapse_signs(vectors: Tensor) -> dict[str, float]:
    """Return what to log of (N, D) vectors, as unit vectors.

    "spread" is the root of their variance: 0 when all are one, 1 when their mean is zero.
    "rank" is the participation ratio of their covariance: how many directions they really use.

    >>> signs = collapse_signs(torch.eye(4))
    >>> round(signs["rank"], 3)
    3.0
    """
    with torch.no_grad():
        unit = normalize(vectors.detach().float(), dim=-1)
        centred = unit - unit.mean(dim=0)
        power = centred.square().sum()
        table = centred @ centred.T if len(unit) < unit.shape[1] else centred.T @ centred
        rank = power.square() / table.square().sum().clamp_min(1e-12)
    return {"spread": float((power / len(unit)).sqrt()), "rank": float(rank)}
