"""The contract of a training objective: encoded rows in, named loss terms out.

Legend: B rows of a batch, D shared width, T tokens, K contrary texts of a row.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from workbench.seeding import derive_seed


@dataclass(frozen=True)
class Encoded:
    """What the towers return for a batch.

    Attributes:
        emb: (B, D) per modality, not normalised; rows of absent modalities hold zeros.
        present: (B,) bool per modality: the one mask of absence.
        tokens: (B, T, D) per modality, not normalised; empty unless the objective needs tokens.
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
        ids: (B,) int64 row number in the manifest, stable over epochs.
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
class Hidden:
    """What masked modelling hid in one modality.

    The objective's own `Encoded` is then of the view with those places hidden.

    Attributes:
        target: (B, T, P) the true elements under each token; zeros in absent rows.
        hidden: (B, T, P) bool, True where an element was hidden; False in absent rows.
        classes: C when elements are class numbers, None when continuous.
    """

    target: Tensor
    hidden: Tensor
    classes: int | None


@dataclass(frozen=True)
class Contrary:
    """Texts that say the opposite of a row's own: another side, a negation, another severity.

    Attributes:
        emb: (B, K, D) not normalised.
        present: (B, K) bool; a text without anything to turn round has none.
    """

    emb: Tensor
    present: Tensor


@dataclass(frozen=True)
class Step:
    """Everything else about the moment an objective is asked.

    Every process sees all B rows of the batch; an objective that is `row_split` sums over `share`
    only, so that the processes' losses add up to the whole.

    Attributes:
        number: optimiser steps done.
        epoch: epochs done.
        progress: share of the training done, 0..1, which drives every schedule.
        seed: seed of every draw.
        rank: number of this process.
        world: number of processes.
        ema: the same rows by the averaged towers, without gradient.
        second: another training view of the same rows.
        ema_second: the other view by the averaged towers.
        hidden: per modality, what was hidden.
        contrary: per text modality, contradicting texts.
    """

    number: int = 0
    epoch: int = 0
    progress: float = 0.0
    seed: int = 0
    rank: int = 0
    world: int = 1
    ema: Encoded | None = None
    second: Encoded | None = None
    ema_second: Encoded | None = None
    hidden: Mapping[str, Hidden] = field(default_factory=dict)
    contrary: Mapping[str, Contrary] = field(default_factory=dict)

    def share(self, count: int) -> slice:
        """Return which of so many rows this process sums over."""
        return slice(count * self.rank // self.world, count * (self.rank + 1) // self.world)

    def draw(self, ids: Tensor, name: str) -> Tensor:
        """Return (B,) uniform numbers in [0, 1), keyed by row id: order and world change none."""
        found = [derive_seed(self.seed, name, self.number, int(i)) / 2**64 for i in ids]
        return torch.tensor(found, dtype=torch.float64, device=ids.device)


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


Memory = Mapping[str, tuple[Tensor, Tensor]]
"""By modality: (N,) row ids and their (N, D) vectors, of all training rows."""


class Objective(nn.Module, ABC):
    """A training objective, built from its entry with its options, its edges and the shapes.

    Learnable parts (temperature, projector, codebook) are its parameters, are put in the optimiser
    and saved with the checkpoint. What it remembers between steps (a queue, averages) are its
    buffers, saved and resumed bit for bit. It keeps no other state and draws no random number but
    by `Step.draw`.

    Attributes:
        row_split: True when the terms sum over `Step.share` of the rows only (divided by the count
            of the whole batch); False when every process computes the whole loss.
    """

    row_split: ClassVar[bool] = False

    def label_columns(self) -> tuple[str, ...]:
        """Return the manifest columns that `Items.label` or `Items.ranks` hold; none by default."""
        return ()

    @abstractmethod
    def forward(self, encoded: Encoded, items: Items, step: Step) -> LossOut:
        """Return the loss terms of one batch."""

    def after_step(self, encoded: Encoded, items: Items, step: Step) -> None:
        """Adjust state once the optimiser has stepped: clamp a temperature, fill a queue.

        Every process is given the whole batch, detached, so that state stays equal everywhere.
        """
        del encoded, items, step

    def on_epoch(self, epoch: int, memory: Callable[[], Memory]) -> None:
        """Refresh what lasts an epoch; `memory()` embeds all training rows when it is called."""
        del epoch, memory
