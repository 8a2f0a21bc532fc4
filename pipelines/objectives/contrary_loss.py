"""Contrastive loss in which a row also has to tell its text from texts that contradict it.

After MMGeoLM (arXiv 2505.20152), whose perturbed captions are negatives of their own image; here
they stand beside those of the batch. Legend: r rows of a block, K contrary texts of a row.
"""

from __future__ import annotations

from pipelines.objectives.contrastive_loss import Contrastive, Further
from pipelines.objectives.further_loss import against_own, opposite
from pipelines.objectives.objective import Items, Step
from pipelines.objectives.pairs import Pairs


class Contradicted(Contrastive):
    """Wherever the columns of a comparison are texts, a row's own contrary texts join them."""

    def further(self, pairs: Pairs, items: Items, step: Step, rows: slice) -> Further | None:
        """Return the logits of each row with the K texts that contradict its own."""
        del items
        name = opposite(pairs)
        if name not in step.contrary:
            return None
        contrary = step.contrary[name]
        own = (pairs.query if pairs.turned else pairs.candidate).present[name]
        there = contrary.present[rows] & own[rows, None]
        return against_own(pairs, rows, contrary.emb[rows]), there
