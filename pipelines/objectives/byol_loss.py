"""Loss without negatives: a predictor per modality guesses what the averaged towers see.

SLAP (arXiv 2506.17815), which brings BYOL (Grill et al., arXiv 2006.07733) to pairs of modalities.
Legend: B rows of a batch, n rows of a share, D shared width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pipelines.objectives.byol import ByolOptions
from pipelines.objectives.collapse import collapse_signs
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items, LossOut, Objective, Step


def distance(predicted: Tensor, target: Tensor) -> Tensor:
    """Return (n,) 2 - 2 cosine, 0..4, with no gradient into the target."""
    target = normalize(target.detach().float(), dim=-1)
    return 2.0 - 2.0 * (normalize(predicted.float(), dim=-1) * target).sum(dim=-1)


class Byol(Objective):
    """Per edge w (d(q_a, z_b) + d(q_b, z_a)) / 2 + (1 - w) (d(q_a, z_a) + d(q_b, z_b)) / 2.

    q are predictions of the towers' vectors, z the averaged towers' vectors, w the option `cross`.
    Rows that lack a side of an edge are left out of its term. Predictors normalise within a row, so
    that no row depends on another and gradients add up over parts of a batch.

    Args:
        options: see ByolOptions.
        edges: the pairs of modalities.
        shapes: sizes of the shared space.
    """

    row_split: ClassVar[bool] = True

    def __init__(self, options: ByolOptions, edges: Sequence[Edge], shapes: Shapes) -> None:
        super().__init__()
        self.settings = options
        self.edges = tuple(edges)
        self.names = tuple(dict.fromkeys(n for e in edges for n in (e.query, *e.candidates)))
        self.predictors = nn.ModuleList(_predictor(shapes.dim, options.hidden) for _ in self.names)

    def forward(self, encoded: Encoded, items: Items, step: Step) -> LossOut:
        """Return one term per edge that has a row with both sides.

        Raises:
            ValueError: the averaged towers' vectors are missing.
        """
        del items
        target = step.ema_second if self.settings.views else step.ema
        if target is None:
            raise ValueError("byol needs Step.ema, and Step.ema_second with views")
        terms: dict[str, Tensor] = {}
        logs: dict[str, float] = {}
        for edge in self.edges:
            used = encoded.present[edge.query] & encoded.present[edge.candidates[0]]
            count = int(used.sum())
            logs[f"n_valid/{edge.name}"] = float(count)
            if count:
                terms[edge.name] = self._term(edge, encoded, target, used, step) / count
                signs = collapse_signs(encoded.emb[edge.query][used])
                logs |= {f"{sign}/{edge.name}": value for sign, value in signs.items()}
        return LossOut(terms, {edge.name: edge.weight for edge in self.edges}, logs)

    def _term(
        self, edge: Edge, encoded: Encoded, target: Encoded, used: Tensor, step: Step
    ) -> Tensor:
        """Return the summed cost of this process's share of the used rows."""
        share = step.share(len(used))
        rows = used[share]
        sides = (edge.query, edge.candidates[0])
        with torch.autocast(device_type=used.device.type, enabled=False):
            guess = [self._predict(name, encoded.emb[name][share][rows]) for name in sides]
            truth = [target.emb[name][share][rows] for name in sides]
            cross = distance(guess[0], truth[1]) + distance(guess[1], truth[0])
            within = distance(guess[0], truth[0]) + distance(guess[1], truth[1])
            weight = self.settings.cross
            return 0.5 * (weight * cross + (1.0 - weight) * within).sum()

    def _predict(self, name: str, vectors: Tensor) -> Tensor:
        predicted: Tensor = self.predictors[self.names.index(name)](vectors.float())
        return predicted


def _predictor(dim: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(dim, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, dim)
    )
