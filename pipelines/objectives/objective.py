"""The contract of a training objective: encoded rows in, named loss terms out.

Legend: B rows of a batch, D shared width, Q queries, C candidates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Encoded:
    """What the towers return for a batch.

    Attributes:
        emb: (B, D) per modality, not normalised; rows of absent modalities hold zeros.
        present: (B,) bool per modality: the one mask of absence.
        tokens: (B, T, D) per modality, for scores that compare tokens.
        token_mask: (B, T) bool per modality, True for real tokens.
    """

    emb: Mapping[str, Tensor]
    present: Mapping[str, Tensor]
    tokens: Mapping[str, Tensor] = field(default_factory=dict)
    token_mask: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Items:
    """What is known about the rows of a batch beside their vectors.

    Attributes:
        ids: (B,) int64 row number in the manifest.
        group: (B,) int64 patient or specimen; rows of one group are never each other's negatives.
        content: (B,) int64 per modality; equal codes mean equal content, such as equal reports.
        label: (B, K) bool, one column per label value; None when the objective asked for none.
        ranks: (B, R) int64 codes of label paths from the coarsest rank down, -1 where unnamed.
    """

    ids: Tensor
    group: Tensor
    content: Mapping[str, Tensor] = field(default_factory=dict)
    label: Tensor | None = None
    ranks: Tensor | None = None


@dataclass(frozen=True)
class LossOut:
    """Unsummed scalar terms by name, their weights, and what to log.

    A term with no valid row is absent, so an empty `terms` means there is nothing to learn from.
    """

    terms: dict[str, Tensor]
    weights: dict[str, float]
    logs: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> Tensor:
        """Weighted mean of the terms."""
        scale = sum(self.weights[k] for k in self.terms)
        parts = [self.weights[k] / scale * v for k, v in self.terms.items()]
        return torch.stack(parts).sum()


class Objective(nn.Module, ABC):
    """A training objective, built from its entry with its options and the edges of the pipeline.

    Learnable parts (temperature, projector, codebook) are its parameters, are put in the optimiser
    and saved with the checkpoint.
    """

    def label_columns(self) -> tuple[str, ...]:
        """Return the manifest columns that `Items.label` or `Items.ranks` hold; none by default."""
        return ()

    @abstractmethod
    def forward(self, encoded: Encoded, items: Items) -> LossOut:
        """Return the loss terms of one batch."""

    def after_step(self) -> None:
        """Adjust state once the optimiser has stepped, such as clamping a temperature."""
        return
