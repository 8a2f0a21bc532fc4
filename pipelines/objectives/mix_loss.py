"""Contrastive loss of vectors mixed with another row's, then of soft targets.

Formulas: M3CoL (arXiv 2409.17777) and MindEye (arXiv 2305.18274), after MixCo (arXiv 2010.06300).
Legend: B rows of a batch, D width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.mix import MixOptions
from pipelines.objectives.objective import Encoded, Items, LossOut, Step
from pipelines.objectives.pairs import Pairs, pairs_of
from pipelines.objectives.targets import Block, soft


@dataclass(frozen=True)
class Mixture:
    """How each row of one side of an edge is mixed.

    Attributes:
        partner: (B,) int64 place of the row it is mixed with; its own where it is left as it is.
        part: (B,) float32 share that stays its own, above 0; the rest is its partner's.
    """

    partner: Tensor
    part: Tensor


@dataclass(frozen=True)
class MixedPairs(Pairs):
    """A comparison in which one side is mixed: what a row holds of a group is never its negative.

    Attributes:
        second: (B,) int64 codes of the group of what was mixed in. None: no exclusion.
        mixed_query: whether the queries are mixed, or the candidates.
    """

    second: Tensor | None = None
    mixed_query: bool = True

    def block(self, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
        """Return weights and validity as `Pairs`, without the groups of what was mixed in."""
        right, valid = super().block(rows, columns)
        if self.second is None or self.group is None:
            return right, valid
        row, column = self.group[rows], self.group[columns]
        if self.mixed_query != self.turned:
            row = self.second[rows]
        else:
            column = self.second[columns]
        return right, valid & ((row[:, None] != column[None, :]) | (right > 0))


class Mix(Contrastive):
    """Mixed vectors until a share of the training is done, soft targets from then on.

    First, rows of one side become x_i' = b_i x_i + (1 - b_i) x_p(i), and are compared with the
    other side's plain vectors: i is right with weight b_i, p(i) with 1 - b_i, both ways, and a
    column counts as much as it was mixed in. b_i is drawn from Beta(beta, beta) for a share of the
    rows and is 1 for the rest. What is mixed are the vectors as the towers give them, not yet of
    length one, instead of the inputs: it costs no further pass, and mixes less. Only rows that
    hold both sides are mixed, and never with a row of their own group while those are excluded.

    Then, targets are the softmax of the likeness within the plain side, without gradient.
    """

    settings: MixOptions

    def forward(self, encoded: Encoded, items: Items, step: Step) -> LossOut:
        """Return one term per edge that has at least one usable row, the mean over its sides."""
        terms: dict[str, Tensor] = {}
        logs = {"scale": float(self.log_scale.detach().exp().mean())}
        mixing = step.progress < self.settings.until
        for number, edge in enumerate(self.edges):
            sides = [True] if self.settings.sides == "query" else [True, False]
            found = [
                self.mixed(encoded, items, step, number, side) if mixing
                else self.softened(encoded, items, number, side)
                for side in sides
            ]  # fmt: skip
            logs[f"n_valid/{edge.name}"] = float(found[0].count)
            if found[0].count:
                compared = [self.compare(pairs, items, step) for pairs in found]
                terms[edge.name] = torch.stack(compared).mean()
        return LossOut(terms, {edge.name: edge.weight for edge in self.edges}, logs)

    def mixed(
        self, encoded: Encoded, items: Items, step: Step, number: int, mixed_query: bool
    ) -> Pairs:
        """Return the comparison of one edge with its queries, or its candidates, mixed."""
        edge = self.edges[number]
        name = edge.query if mixed_query else edge.candidates[0]
        usable = encoded.present[edge.query] & encoded.present[edge.candidates[0]]
        mixture = self._mixture(usable, items, step, f"{edge.name}/{name}")
        vectors, part = encoded.emb[name].float(), mixture.part[:, None]
        blend = part * vectors + (1.0 - part) * vectors[mixture.partner]
        pairs = self._pairs_of(
            replace(encoded, emb={**encoded.emb, name: blend}), items, number,
            _right(mixture, mixed_query),
        )  # fmt: skip
        plain = {f: getattr(pairs, f) for f in Pairs.__dataclass_fields__}
        second = items.group[mixture.partner] if self.settings.exclude_same_group else None
        return MixedPairs(**plain, second=second, mixed_query=mixed_query)

    def softened(self, encoded: Encoded, items: Items, number: int, from_candidates: bool) -> Pairs:
        """Return the comparison of one edge with targets from the likeness within one side."""
        edge = self.edges[number]
        name = edge.candidates[0] if from_candidates else edge.query
        right = soft(
            items, encoded.emb[name], encoded.present[name],
            temperature=self.settings.soft_temperature, apart=self.settings.exclude_same_group,
        )  # fmt: skip
        return self._pairs_of(encoded, items, number, right)

    def _pairs_of(self, encoded: Encoded, items: Items, number: int, right: Block) -> Pairs:
        return pairs_of(
            encoded, items, self.edges[number], score=self.score,
            scale=self.log_scale[number if len(self.log_scale) > 1 else 0].exp(), right=right,
            exclude_same_group=self.settings.exclude_same_group,
        )  # fmt: skip

    def _mixture(self, usable: Tensor, items: Items, step: Step, name: str) -> Mixture:
        """Draw partners and parts, keyed by row id."""
        settings, count = self.settings, len(usable)
        partner = torch.arange(count, device=usable.device)
        places = usable.nonzero().squeeze(1)
        ids = items.ids[places]
        ring = places[torch.argsort(step.draw(ids, f"mix/partner/{name}"))]
        partner[ring] = ring.roll(-1)
        part = torch.ones(count, device=usable.device)
        drawn = step.draw(ids, f"mix/part/{name}")
        part[places] = beta_parts(drawn, share=settings.share, beta=settings.beta)
        if settings.exclude_same_group:
            part = torch.where(items.group == items.group[partner], 1.0, part)
        itself = torch.arange(count, device=usable.device)
        return Mixture(torch.where(part < 1.0, partner, itself), part)

    def _block(self, pairs: Pairs, items: Items, step: Step, rows: slice) -> Tensor:
        """Return the summed loss of a block of rows, each as heavy as its right answers."""
        if not isinstance(pairs, MixedPairs):
            return super()._block(pairs, items, step, rows)
        used = pairs.row_used[rows]
        if not bool(used.any()):
            return pairs.scale.new_zeros(())
        targets, valid = (part[used] for part in pairs.block(rows, slice(0, len(pairs))))
        weight = targets.sum(dim=1)
        targets = targets / weight.clamp_min(torch.finfo(torch.float32).tiny)[:, None]
        return (weight * self.row_losses(pairs.logits(rows)[used], targets, valid)).sum()


def beta_parts(drawn: Tensor, *, share: float, beta: float) -> Tensor:
    """Return (B,) float32 parts in (0, 1]: from Beta(beta, beta) for a share of the rows, else 1.

    A number below `share` is stretched to [0, 1) and looked up in the inverse distribution
    function, so that one draw decides both.

    Args:
        drawn: (B,) uniform numbers in [0, 1).
        share: of the rows that are mixed.
        beta: both parameters of the distribution.
    """
    from scipy.special import betaincinv

    if share == 0:
        return torch.ones(len(drawn), device=drawn.device)
    stretched = (drawn / share).clamp(max=1.0).cpu().numpy()
    parts = torch.from_numpy(betaincinv(beta, beta, stretched)).to(drawn.device)
    least = torch.finfo(torch.float32).tiny
    return torch.where(drawn < share, parts, 1.0).float().clamp(least, 1.0)


def _right(mixture: Mixture, mixed_query: bool) -> Block:
    """Return the weights of right answers; rows are always the queries."""
    place = torch.arange(len(mixture.part), device=mixture.part.device)

    def weights(mixed: slice, plain: slice) -> Tensor:
        part = mixture.part[mixed, None]
        own = place[mixed, None] == place[None, plain]
        other = mixture.partner[mixed, None] == place[None, plain]
        return part * own + (1.0 - part) * other

    def block(rows: slice, columns: slice) -> Tensor:
        return weights(rows, columns) if mixed_query else weights(columns, rows).T

    return block
