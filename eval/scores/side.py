"""One side of a comparison: the items that are queries, or those that are candidates.

Legend: N items, D shared width, T tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Side:
    """What a score is given of some items; one modality, or several for a joint score.

    Attributes:
        vectors: (N, D) per modality, not necessarily of length one; zeros where absent.
        present: (N,) bool per modality.
        tokens: (N, T, D) per modality, for scores that compare tokens.
        token_valid: (N, T) bool per modality, True for real tokens.
    """

    vectors: Mapping[str, Tensor]
    present: Mapping[str, Tensor]
    tokens: Mapping[str, Tensor] = field(default_factory=dict)
    token_valid: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.vectors.values())))

    def only(self) -> str:
        """Return the name of the one modality; raises ValueError when there are several."""
        (name,) = self.vectors
        return name

    def any_present(self) -> Tensor:
        """Return (N,) bool: items that hold at least one modality."""
        masks = list(self.present.values())
        found = masks[0]
        for mask in masks[1:]:
            found = found | mask
        return found

    def at(self, rows: slice) -> Side:
        """Return some of the items."""
        return Side(*(
            {k: v[rows] for k, v in part.items()}
            for part in (self.vectors, self.present, self.tokens, self.token_valid)
        ))  # fmt: skip
