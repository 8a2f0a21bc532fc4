"""Contrastive cross-entropy of a score that its objective's name presets."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.token_scores import TokenScoreOptions


class TokenContrastive(Contrastive):
    """The contrastive objective over one score of tokens, made with its typed options.

    Args:
        options: see the objective's own options.
        edges: the comparisons to sum.
        shapes: sizes of the shared space.
    """

    def __init__(self, options: TokenScoreOptions, edges: Sequence[Edge], shapes: Shapes) -> None:
        made = options.model_copy(update={"score_options": options.of_score()})
        super().__init__(made, edges, shapes)
