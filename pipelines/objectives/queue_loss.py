"""Contrastive loss whose negatives include a queue of vectors of earlier batches.

He et al., MoCo, arXiv 1911.05722; CoCoSoDa, arXiv 2204.03293. Legend: M modalities, K places in a
queue, B rows of a batch, D shared width, r rows of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pipelines.objectives.contrastive_loss import Contrastive, Further
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.further_loss import against, opposite, side
from pipelines.objectives.objective import Encoded, Items, Step
from pipelines.objectives.pairs import Pairs, side_of
from pipelines.objectives.queue import QueueOptions


class Queue(Contrastive):
    """Every modality has a queue of its own, which serves the rows of the other side of an edge.

    A row is never compared with its own earlier vectors, nor with those of its group; under targets
    same_text nor with those of rows whose content on either side equals its own.

    Args:
        options: see QueueOptions.
        edges: the comparisons to sum.
        shapes: sizes of the shared space.
    """

    settings: QueueOptions
    vectors: Tensor
    ids: Tensor
    group: Tensor
    content: Tensor
    pointer: Tensor

    def __init__(self, options: QueueOptions, edges: Sequence[Edge], shapes: Shapes) -> None:
        super().__init__(options, edges, shapes)
        self.names = tuple(dict.fromkeys(n for e in edges for n in (e.query, *e.candidates)))
        count, size = len(self.names), options.size
        self.register_buffer("vectors", torch.zeros(count, size, shapes.dim))
        self.register_buffer("ids", torch.full((count, size), -1))  # -1: an empty place
        self.register_buffer("group", torch.full((count, size), -1))
        self.register_buffer("content", torch.full((count, size, count), -1))
        self.register_buffer("pointer", torch.zeros(count, dtype=torch.int64))

    def compare(self, pairs: Pairs, items: Items, step: Step) -> Tensor:
        """Return the term of one edge; with momentum the columns are the averaged towers' vectors.

        Columns of the batch and of the queue then come from the same towers, so that nothing but
        their content tells them apart.

        Raises:
            ValueError: momentum is on and the averaged towers' vectors are missing.
        """
        if not self.settings.momentum:
            return super().compare(pairs, items, step)
        keys = _averaged(step)
        slow_query, slow_candidate = (
            side_of(keys, tuple(part.vectors)) for part in (pairs.query, pairs.candidate)
        )
        forward = self.direction(replace(pairs, candidate=slow_candidate), items, step)
        back = self.direction(replace(pairs, query=slow_query).other_way(), items, step)
        return 0.5 * (forward + back)

    def further(self, pairs: Pairs, items: Items, step: Step, rows: slice) -> Further | None:
        """Return the logits of a block with the queue of the opposite side."""
        del step
        name = opposite(pairs)
        number = self.names.index(name)
        ids = self.ids[number]
        if not bool((ids >= 0).any()):
            return None
        allowed = (ids >= 0) & (items.ids[rows, None] != ids)
        if self.settings.exclude_same_group:
            allowed &= items.group[rows, None] != self.group[number]
        if self.settings.targets == "same_text":
            for side_name in (pairs.query.only(), pairs.candidate.only()):
                known = self.content[number, :, self.names.index(side_name)]
                code = items.content[side_name][rows, None]
                allowed &= (code != known) | (code < 0)
        return against(pairs, rows, side(name, self.vectors[number])), allowed

    def after_step(self, encoded: Encoded, items: Items, step: Step) -> None:
        """Put the batch's vectors into the queues in place of the oldest.

        Raises:
            ValueError: momentum is on and the averaged towers' vectors are missing.
        """
        super().after_step(encoded, items, step)
        source = _averaged(step) if self.settings.momentum else encoded
        for number, name in enumerate(self.names):
            if name in source.emb:
                self._enqueue(number, source.emb[name], source.present[name], items)

    def _enqueue(self, number: int, vectors: Tensor, present: Tensor, items: Items) -> None:
        """Store the last present rows, as many as there are places."""
        size = self.settings.size
        rows = present.nonzero()[-size:, 0]
        start = int(self.pointer[number])
        at = (start + torch.arange(len(rows), device=rows.device)) % size
        self.vectors[number, at] = vectors.detach()[rows].float()
        self.ids[number, at] = items.ids[rows]
        self.group[number, at] = items.group[rows]
        for place, name in enumerate(self.names):
            if name in items.content:
                self.content[number, at, place] = items.content[name][rows]
        self.pointer[number] = (start + len(rows)) % size


def _averaged(step: Step) -> Encoded:
    if step.ema is None:
        raise ValueError("queue with momentum needs Step.ema")
    return step.ema
