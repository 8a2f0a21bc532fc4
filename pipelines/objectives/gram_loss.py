"""Contrastive cross-entropy of volumes, a query against all modalities of a record at once.

Formula: GRAM (arXiv 2412.11959), mean of CE(-V/t) over rows and columns. See
`eval.scores.volume` for V.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from eval.scores import side_score
from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.gram import GramOptions
from pipelines.objectives.objective import Encoded, Items, LossOut, Step
from pipelines.objectives.pairs import Pairs


class Gram(Contrastive):
    """Volume terms, one a query, and cosine terms between that query and each candidate.

    The cosine terms of a query weigh `anchored` times as much as its volume term, all together,
    whichever candidates a batch holds. They have a temperature of their own, which starts at the
    same value.

    Args:
        options: see GramOptions.
        edges: one for each query, with all its candidates.
        shapes: sizes of the shared space.
    """

    def __init__(self, options: GramOptions, edges: Sequence[Edge], shapes: Shapes) -> None:
        super().__init__(options, edges, shapes)
        self.weight = options.anchored
        self.volume = side_score("volume", shapes.dim)
        alone = [Edge(edge.query, (name,)) for edge in self.edges for name in edge.candidates]
        self.anchored = Contrastive(_plain(options), alone, shapes) if self.weight > 0 else None

    def forward(self, encoded: Encoded, items: Items, step: Step) -> LossOut:
        """Return the volume terms by edge name, and the cosine terms as "cosine/ecg-report"."""
        out = super().forward(encoded, items, step)
        if self.anchored is None:
            return out
        pairs = self.anchored(encoded, items, step)
        terms, weights = dict(out.terms), dict(out.weights)
        for edge in self.edges:
            names = [Edge(edge.query, (name,)).name for name in edge.candidates]
            live = [name for name in names if name in pairs.terms]
            for name in live:
                terms[f"cosine/{name}"] = pairs.terms[name]
                weights[f"cosine/{name}"] = self.weight * edge.weight / len(live)
        logs = {f"cosine/{name}": value for name, value in pairs.logs.items()}
        return LossOut(terms, weights, {**out.logs, **logs})

    def after_step(self, encoded: Encoded, items: Items, step: Step) -> None:
        """Keep both scales between 1 and 100."""
        super().after_step(encoded, items, step)
        if self.anchored is not None:
            self.anchored.after_step(encoded, items, step)

    def pairs(self, encoded: Encoded, items: Items, number: int) -> Pairs:
        """Return the comparison of one edge by volume, whatever score evaluation uses."""
        return replace(super().pairs(encoded, items, number), score=self.volume)


def _plain(options: GramOptions) -> ContrastiveOptions:
    """Return the options of the cosine terms: the same targets, no smoothing."""
    shared = {name: getattr(options, name) for name in ContrastiveOptions.model_fields}
    return ContrastiveOptions(**{**shared, "score": "cosine", "smoothing": 0.0})
