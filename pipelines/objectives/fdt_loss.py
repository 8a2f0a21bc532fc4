"""Contrastive cross-entropy over mixtures of codes, with the codebook's schedule and its usage.

Formula: FDT (arXiv 2303.14865); see `eval.scores.codebook` for the score.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from eval.scores.codebook import Codebook
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.fdt import FdtOptions
from pipelines.objectives.objective import Encoded, Items, Step
from pipelines.objectives.token_scores_loss import TokenContrastive


class Fdt(TokenContrastive):
    """The codebook's temperature falls while training goes on, where a start is given.

    Args:
        options: see FdtOptions.
        edges: the comparisons to sum.
        shapes: sizes of the shared space.
    """

    def __init__(self, options: FdtOptions, edges: Sequence[Edge], shapes: Shapes) -> None:
        super().__init__(options, edges, shapes)
        end, start = options.code_temperature, options.code_temperature_start
        self.ends = (end if start is None else start, end)

    def after_step(self, encoded: Encoded, items: Items, step: Step) -> None:
        """Clamp the scale, and lower the codebook's temperature to its place in the training."""
        super().after_step(encoded, items, step)
        if not isinstance(self.score, Codebook):
            raise TypeError(f"expected a codebook, found {type(self.score).__name__}")
        start, end = self.ends
        with torch.no_grad():
            self.score.temperature.fill_(start * (end / start) ** min(1.0, step.progress))
