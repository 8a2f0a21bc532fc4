"""The cosine score: the inner product of two vectors scaled to length one.

Legend: Q queries, C candidates, E width, K pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

DECIMALS = 12
"""Places that `exact_table` keeps: the order in which BLAS adds never decides a comparison."""


class Cosine:
    """Cosine of every query with every candidate, in float32 even under autocast.

    A zero vector scores 0 with everything. Gradients flow to both sides.
    """

    name = "cosine"

    def __call__(self, query: Any, candidate: Any) -> Tensor:
        """Return (Q, C) float32 scores of (Q, E) with (C, E), tensors or arrays."""
        import torch
        from torch.nn.functional import normalize

        query, candidate = torch.as_tensor(query), torch.as_tensor(candidate)
        with torch.autocast(device_type=query.device.type, enabled=False):
            return normalize(query.float(), dim=-1) @ normalize(candidate.float(), dim=-1).T

    def prepare(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (N, E) vectors of length one, for which `product` is the score."""
        return np.ascontiguousarray(unit(vectors), dtype=np.float32)

    def slack(self, width: int) -> float:
        """Return how far a float32 score of prepared vectors may lie from the true one."""
        return float(4 * np.sqrt(width) * 2.0**-24)

    def exact(
        self, query: NDArray[np.float32], candidate: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return (K,) float64 scores of K pairs of prepared vectors, added in one fixed order."""
        return np.asarray(np.multiply(query, candidate, dtype=np.float64).sum(axis=1))

    def exact_table(
        self, query: NDArray[np.float32], candidate: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return (Q, C) float64 scores in which equal vectors have exactly equal scores.

        For few candidates (class anchors); a gallery is ranked in blocks instead.
        """
        rows, row_of = np.unique(query, axis=0, return_inverse=True)
        columns, column_of = np.unique(candidate, axis=0, return_inverse=True)
        table = np.round(unit(rows) @ unit(columns).T, DECIMALS)
        return table[row_of.reshape(-1)][:, column_of.reshape(-1)]


def unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """Return vectors scaled to length one in float64 along the last axis; zero stays zero."""
    wide = vectors.astype(np.float64)
    length = np.sqrt(np.sum(wide * wide, axis=-1, keepdims=True))
    return np.asarray(wide / np.where(length > 0, length, 1.0))
