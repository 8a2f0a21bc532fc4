"""Contrastive loss whose negatives include each row's hardest neighbours in the training split.

U-MARVEL (arXiv 2507.14902) and CLIPPINGS mine so; what scores far above the right answer is left
out as probably right too. Legend: M modalities, N rows of the manifest, D shared width, E edges,
k mined neighbours, r rows of a block, c columns of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pipelines.objectives.contrastive_loss import Contrastive, Further
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.further_loss import against_own, opposite, side
from pipelines.objectives.mined import MinedOptions
from pipelines.objectives.objective import Encoded, Items, Memory, Step
from pipelines.objectives.pairs import Pairs

ROWS, COLUMNS = 512, 8192
"""Size of the blocks of scores held while searching."""


class Mined(Contrastive):
    """Rows are compared with the stored vectors of their k nearest wrong answers too.

    Groups and contents of rows are learned as batches pass; a neighbour whose group is not yet
    known is not used. Until the first search the loss is the contrastive one.

    Args:
        options: see MinedOptions.
        edges: the comparisons to sum.
        shapes: sizes of the shared space; `rows` sizes what is remembered.

    Raises:
        ValueError: the number of rows is not given.
    """

    settings: MinedOptions
    vectors: Tensor
    group: Tensor
    content: Tensor
    near: Tensor

    def __init__(self, options: MinedOptions, edges: Sequence[Edge], shapes: Shapes) -> None:
        super().__init__(options, edges, shapes)
        if shapes.rows < 1:
            raise ValueError("mined needs Shapes.rows, the number of rows of the manifest")
        self.names = tuple(dict.fromkeys(n for e in edges for n in (e.query, *e.candidates)))
        self.places = {(e.query, *e.candidates): number for number, e in enumerate(edges)}
        count, rows = len(self.names), shapes.rows
        self.register_buffer("vectors", torch.zeros(count, rows, shapes.dim))
        self.register_buffer("group", torch.full((rows,), -1))  # -1: not met yet
        self.register_buffer("content", torch.full((count, rows), -1))
        self.register_buffer("near", torch.full((len(edges), 2, rows, options.k), -1))

    def further(self, pairs: Pairs, items: Items, step: Step, rows: slice) -> Further | None:
        """Return the logits of each row with its mined neighbours."""
        del step
        names = (pairs.query.only(), pairs.candidate.only())
        near = self.near[self.places[names], int(pairs.turned)][items.ids[rows]]
        found, there = near.clamp_min(0), near >= 0
        if self.settings.exclude_same_group:
            there &= self.group[found] >= 0
            there &= self.group[found] != items.group[rows, None]
        for name in names:
            code = items.content[name][rows, None]
            there &= (code != self.content[self.names.index(name)][found]) | (code < 0)
        if not bool(there.any()):
            return None
        return against_own(
            pairs, rows, self.vectors[self.names.index(opposite(pairs))][found]
        ), there

    def after_step(self, encoded: Encoded, items: Items, step: Step) -> None:
        """Note the groups and contents of the batch's rows."""
        super().after_step(encoded, items, step)
        self.group[items.ids] = items.group
        for number, name in enumerate(self.names):
            if name in items.content:
                self.content[number, items.ids] = items.content[name]

    def on_epoch(self, epoch: int, memory: Callable[[], Memory]) -> None:
        """Search every row's neighbours again, every `refresh` epochs."""
        if epoch % self.settings.refresh:
            return
        found = memory()
        self.near.fill_(-1)
        with torch.no_grad():
            for number, name in enumerate(self.names):
                if name in found:
                    ids, vectors = (part.to(self.vectors.device) for part in found[name])
                    self.vectors[number, ids] = vectors.float()
            for number, edge in enumerate(self.edges):
                names = (edge.query, *edge.candidates)
                if all(name in found for name in names):
                    query, candidate = (found[name][0].to(self.near.device) for name in names)
                    self._search(number, query, candidate, turned=False)
                    self._search(number, candidate, query, turned=True)

    def _search(self, number: int, rows: Tensor, columns: Tensor, *, turned: bool) -> None:
        """Find neighbours of the rows that hold both sides of an edge, a block at a time."""
        rows = rows[torch.isin(rows, columns)]
        for some in torch.split(rows, ROWS):
            own = torch.cat([
                self._scores(number, part, part, turned=turned).diagonal() for part in torch.split(some, 64)
            ])  # fmt: skip
            best = own.new_full((len(some), self.settings.k), float("-inf"))
            near = torch.full_like(self.near[number, 0, some], -1)
            for block in torch.split(columns, COLUMNS):
                scores = self._scores(number, some, block, turned=turned)
                wrong = self._wrong(number, some, block)
                wrong &= scores <= own[:, None] + self.settings.margin
                every = torch.cat([best, scores.masked_fill(~wrong, float("-inf"))], dim=1)
                best, at = every.topk(self.settings.k, dim=1)
                near = torch.cat([near, block.expand(len(some), -1)], dim=1).gather(1, at)
            self.near[number, int(turned), some] = near.masked_fill(best.isneginf(), -1)

    def _scores(self, number: int, rows: Tensor, columns: Tensor, *, turned: bool) -> Tensor:
        """Return (r, c) scores of stored vectors; the rows are candidates when turned."""
        names = (self.edges[number].query, *self.edges[number].candidates)
        query, candidate = (
            side(name, self.vectors[self.names.index(name), ids])
            for name, ids in zip(names, (columns, rows) if turned else (rows, columns), strict=True)
        )
        table: Tensor = self.score(query, candidate)
        return table.T if turned else table

    def _wrong(self, number: int, rows: Tensor, columns: Tensor) -> Tensor:
        """Return (r, c) bool: another row, not known to be of one patient or of equal content."""
        wrong = rows[:, None] != columns
        if self.settings.exclude_same_group:
            group = self.group[rows, None]
            wrong &= (group != self.group[columns]) | (group < 0)
        for name in (self.edges[number].query, *self.edges[number].candidates):
            content = self.content[self.names.index(name)]
            wrong &= (content[rows, None] != content[columns]) | (content[rows, None] < 0)
        return wrong
