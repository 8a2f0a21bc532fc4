"""Contrastive cross-entropy over an edge list, with presence masks and several right answers.

One entry serves MoRE (edges anchored on the report), OCTCube COEP and CLIBD (all pairs) and CLIP;
other objectives change one part of it: what a row costs, or what else it is compared with.

Legend: B rows of a batch, D shared width, r rows of a block, K further negatives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from eval.scores import side_score
from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.fused import fits, fused_loss
from pipelines.objectives.objective import Encoded, Items, LossOut, Objective, Step
from pipelines.objectives.pairs import BLOCK, Pairs, pairs_of
from pipelines.objectives.targets import rule

MAX_SCALE = 100.0

Further = tuple[Tensor, Tensor]
"""(r, K) logits of further negatives and (r, K) bool of those that count."""


class Contrastive(Objective):
    """Symmetric cross-entropy between the two sides of every edge.

    Args:
        options: see ContrastiveOptions.
        edges: the comparisons to sum.
        shapes: sizes of the shared space.

    The temperature is a log-scale parameter, one for all edges or one for each, clamped so that
    the scale stays at most 100.
    """

    row_split: ClassVar[bool] = True

    def __init__(self, options: ContrastiveOptions, edges: Sequence[Edge], shapes: Shapes) -> None:
        super().__init__()
        self.settings = options
        self.edges = tuple(edges)
        self.shapes = shapes
        self.score = side_score(options.score, shapes.dim, **options.score_options)
        count = len(self.edges) if options.temperature_per == "edge" else 1
        start = torch.full((count,), math.log(1.0 / options.temperature))
        self.log_scale = nn.Parameter(start, requires_grad=options.learn_temperature)

    def label_columns(self) -> tuple[str, ...]:
        """Return the label or rank columns that the targets read."""
        label = self.settings.label
        return self.settings.ranks or ((label,) if label else ())

    def forward(self, encoded: Encoded, items: Items, step: Step) -> LossOut:
        """Return one term per edge that has at least one usable row."""
        terms: dict[str, Tensor] = {}
        logs: dict[str, float] = {"scale": float(self.log_scale.detach().exp().mean())}
        for number, edge in enumerate(self.edges):
            pairs = self.pairs(encoded, items, number)
            logs[f"n_valid/{edge.name}"] = float(pairs.count)
            if pairs.count:
                terms[edge.name] = self.compare(pairs, items, step)
        weights = {edge.name: edge.weight for edge in self.edges}
        return LossOut(terms, weights, logs)

    def after_step(self, encoded: Encoded, items: Items, step: Step) -> None:
        """Keep the scale between 1 and 100."""
        del encoded, items, step
        with torch.no_grad():
            self.log_scale.clamp_(0.0, math.log(MAX_SCALE))

    def pairs(self, encoded: Encoded, items: Items, number: int) -> Pairs:
        """Return the comparison of one edge."""
        edge = self.edges[number]
        return pairs_of(
            encoded, items, edge, score=self.score,
            scale=self.log_scale[number if len(self.log_scale) > 1 else 0].exp(),
            right=rule(self.settings, encoded, items, edge),
            exclude_same_group=self.settings.exclude_same_group,
        )  # fmt: skip

    def compare(self, pairs: Pairs, items: Items, step: Step) -> Tensor:
        """Return the term of one edge: the mean of both directions.

        Pooled vectors compared by cosine, with no hook of a row's loss overridden, are compared by
        the fused engine, which makes neither table nor graph; everything else goes block by block.
        """
        if self._plain() and fits(pairs):
            term = fused_loss(pairs, step, self.settings.smoothing)
            if term is not None:
                return term
        forward = self.direction(pairs, items, step)
        return 0.5 * (forward + self.direction(pairs.other_way(), items, step))

    def direction(self, pairs: Pairs, items: Items, step: Step) -> Tensor:
        """Return this process's part of the mean loss of the rows against all columns.

        Rows go in blocks that are computed again for their gradient, so that memory holds the
        scores of one block only.
        """
        share = step.share(len(pairs))
        total = pairs.scale.new_zeros(())
        for start in range(share.start, share.stop, BLOCK):
            rows = slice(start, min(start + BLOCK, share.stop))
            if share.stop - share.start <= BLOCK:
                return self._block(pairs, items, step, rows) / pairs.count
            total = total + checkpoint(
                self._block, pairs, items, step, rows,
                use_reentrant=False, preserve_rng_state=False,
            )  # fmt: skip
        return total / pairs.count

    def further(self, pairs: Pairs, items: Items, step: Step, rows: slice) -> Further | None:
        """Return what else a block of rows is compared with; nothing here.

        Subclasses add a queue, mined or rule-made negatives.
        """
        del pairs, items, step, rows
        return None

    def row_losses(self, logits: Tensor, targets: Tensor, valid: Tensor) -> Tensor:
        """Return (r,) cross-entropies.

        Args:
            logits: (r, C) scores over temperature; further negatives come last.
            targets: (r, C) weights of right answers, each row summing to one.
            valid: (r, C) bool, what stands in the denominator.
        """
        smoothing = self.settings.smoothing
        if smoothing > 0:
            share = valid.float() / valid.sum(dim=1, keepdim=True)
            targets = (1 - smoothing) * targets + smoothing * share
        masked = logits.masked_fill(~valid, float("-inf"))
        log_p = torch.log_softmax(masked, dim=1).masked_fill(~valid, 0.0)
        return -(targets * log_p).sum(dim=1)

    def _plain(self) -> bool:
        """Return whether a row costs what it costs in this class."""
        hooks = ("direction", "further", "row_losses", "_block")
        return all(getattr(type(self), hook) is getattr(Contrastive, hook) for hook in hooks)

    def _block(self, pairs: Pairs, items: Items, step: Step, rows: slice) -> Tensor:
        """Return the summed loss of a block of rows."""
        used = pairs.row_used[rows]
        if not bool(used.any()):
            return pairs.scale.new_zeros(())
        targets, valid = pairs.block(rows, slice(0, len(pairs)))
        logits = pairs.logits(rows)
        targets = targets / targets.sum(dim=1, keepdim=True).clamp_min(1e-30)
        more = self.further(pairs, items, step, rows)
        if more is not None:
            logits = torch.cat([logits, more[0]], dim=1)
            valid = torch.cat([valid, more[1]], dim=1)
            targets = torch.cat([targets, torch.zeros_like(more[0])], dim=1)
        return self.row_losses(logits[used], targets[used], valid[used]).sum()
