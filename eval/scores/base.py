"""The contract of a score: two sides in, one number per query and candidate out.

Legend: Q queries, C candidates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from eval.scores.side import Side


class Score(nn.Module, ABC):
    """How queries are compared with candidates; higher is closer.

    Attributes:
        name: registry name, saved with the checkpoint.
        tokens: True when it reads `Side.tokens`.
        bound: a number that no absolute score exceeds, or None when there is none.
        given: what `side_score` made it with, the width and its options; saved with it.
    """

    name: ClassVar[str]
    tokens: ClassVar[bool] = False
    bound: ClassVar[float | None] = 1.0
    given: Mapping[str, Any] = MappingProxyType({})

    @abstractmethod
    def forward(self, query: Side, candidate: Side) -> Tensor:
        """Return (Q, C) scores, in float32 even under autocast; in float64 of float64 sides.

        Rows and columns without any modality hold finite numbers; the caller masks them.
        """

    def single(self, side: Side) -> Tensor | None:
        """Return (N, V) vectors whose cosine is this score, or None where there are none.

        A gallery of such vectors is ranked by matrix products alone.
        """
        del side
        return None


def wide(values: Tensor) -> Tensor:
    """Return numbers as a score computes with them: float64 stays, all else becomes float32.

    Training gives float32 and less; evaluation gives float64, so that no tile decides a tie.
    """
    return values if values.dtype == torch.float64 else values.float()
