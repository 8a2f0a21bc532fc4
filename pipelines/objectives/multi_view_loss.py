"""Losses that take all modalities of a record as views of it, one term a record.

Formulas: Koromilas et al., A Principled Framework for Multi-View Contrastive Learning (arXiv
2507.06979), in log space: products of sums overflow at low temperatures. Legend: B rows that hold
two views or more, r rows of a block, V views, D width.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

from pipelines.objectives.contrastive_loss import MAX_SCALE
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.multi_view import MvInfoNceOptions
from pipelines.objectives.objective import Encoded, Items, LossOut, Objective, Step
from pipelines.objectives.pairs import BLOCK

NOTHING = float("-inf")


@dataclass(frozen=True)
class Views:
    """The rows of a batch that hold at least two views.

    Attributes:
        unit: (B, V, D) unit vectors.
        present: (B, V) bool.
        apart: (B,) int64 codes; rows of one code are never compared.
        scale: scalar, one over the temperature.
    """

    unit: Tensor
    present: Tensor
    apart: Tensor
    scale: Tensor

    def __len__(self) -> int:
        return len(self.unit)

    def places(self, rows: slice) -> Tensor:
        """Return the numbers of some rows."""
        return torch.arange(len(self), device=self.unit.device)[rows]


class MultiView(Objective):
    """One term over all modalities that the edges name; rows with fewer than two are left out.

    Args:
        options: see MvInfoNceOptions.
        edges: whose modalities are the views.
        shapes: not used.
    """

    row_split: ClassVar[bool] = True

    def __init__(self, options: MvInfoNceOptions, edges: Sequence[Edge], shapes: Shapes) -> None:
        super().__init__()
        del shapes
        self.exclude_same_group = options.exclude_same_group
        self.names = tuple(dict.fromkeys(n for e in edges for n in (e.query, *e.candidates)))
        start = torch.tensor(math.log(1.0 / options.temperature))
        self.log_scale = nn.Parameter(start, requires_grad=options.learn_temperature)

    def forward(self, encoded: Encoded, items: Items, step: Step) -> LossOut:
        """Return one term, "views", when a row of the batch holds two views."""
        some = encoded.emb[self.names[0]]
        with torch.autocast(device_type=some.device.type, enabled=False):
            views = self._views(encoded, items)
            total = self._total(views, step) if len(views) else None
        logs = {"scale": float(self.log_scale.detach().exp()), "n_valid/views": float(len(views))}
        return LossOut({} if total is None else {"views": total}, {"views": 1.0}, logs)

    def after_step(self, encoded: Encoded, items: Items, step: Step) -> None:
        """Keep the scale between 1 and 100."""
        del encoded, items, step
        with torch.no_grad():
            self.log_scale.clamp_(0.0, math.log(MAX_SCALE))

    @abstractmethod
    def losses(self, views: Views, rows: slice) -> Tensor:
        """Return (r,) losses of a block of records."""

    def _views(self, encoded: Encoded, items: Items) -> Views:
        present = torch.stack([encoded.present[n] for n in self.names], dim=1)
        used = present.sum(dim=1) >= 2
        unit = torch.stack([normalize(encoded.emb[n].float(), dim=-1) for n in self.names], dim=1)
        apart = items.group if self.exclude_same_group else torch.arange(len(used)).to(items.group)
        return Views(unit[used], present[used], apart[used], self.log_scale.exp())

    def _total(self, views: Views, step: Step) -> Tensor:
        """Return this process's part of the mean over records, a block of them at a time."""
        share, block = step.share(len(views)), max(1, BLOCK // len(self.names))
        total = views.scale.new_zeros(())
        for start in range(share.start, share.stop, block):
            rows = slice(start, min(start + block, share.stop))
            total = total + checkpoint(
                self._block, views, rows, use_reentrant=False, preserve_rng_state=False
            )
        return total / len(views)

    def _block(self, views: Views, rows: slice) -> Tensor:
        return self.losses(views, rows).sum()


class MvInfoNce(MultiView):
    """-log of twice the pairs of a record's views, over all pairs that start from one of them.

    Per record i: -log(2 sum_{u<v} e^{z_iu z_iv / t} / sum_u sum_{(j,v) != (i,u)} e^{z_iu z_jv / t}),
    over the views that are present. The pairs of a record are alternatives: its best pair alone
    can satisfy the loss.
    """

    def losses(self, views: Views, rows: slice) -> Tensor:
        """Return (r,) losses; cosines are taken from the closest pair's, which cancels out."""
        unit, present = views.unit[rows], views.present
        pairs, both = cosines_within(views, rows)
        level = pairs.detach().masked_fill(~both, NOTHING).amax(dim=1, keepdim=True)
        other = views.apart[rows, None] != views.apart[None, :]
        own = views.places(rows)[:, None] == views.places(slice(None))[None, :]
        itself = torch.eye(present.shape[1], dtype=torch.bool, device=unit.device)
        counted = other[:, None, :, None] | (own[:, None, :, None] & ~itself[:, None, :])
        counted = counted & present[rows][:, :, None, None] & present[None, None]
        every = torch.einsum("rud,jvd->rujv", unit, views.unit).flatten(1)
        spread = log_sum((every - level) * views.scale, counted.flatten(1))
        return spread - log_sum((pairs - level) * views.scale, both) - math.log(2.0)


class MvDhel(MultiView):
    """-log of the pairs of a record's views, over a product of one sum for each view.

    Per record i: -log(sum_{u<v} e^{z_iu z_iv / t} / prod_v sum_{j != i} e^{z_iv z_jv / t}), over
    the views that are present. A view that no other record has is no factor.
    """

    def losses(self, views: Views, rows: slice) -> Tensor:
        """Return (r,) losses; without any other record, what draws the pairs together is left."""
        present = views.present
        pairs, both = cosines_within(views, rows)
        other = views.apart[rows, None] != views.apart[None, :]
        counted = other[:, None, :] & present.T[None] & present[rows][:, :, None]
        every = torch.einsum("rvd,jvd->rvj", views.unit[rows], views.unit)
        spread = log_sum(every * views.scale, counted).sum(dim=1)
        return spread - log_sum(pairs * views.scale, both)


def cosines_within(views: Views, rows: slice) -> tuple[Tensor, Tensor]:
    """Return (r, V * V) cosines of each record's views, and bool of the pairs u < v it holds."""
    unit, present = views.unit[rows], views.present[rows]
    cosines = torch.einsum("rud,rvd->ruv", unit, unit)
    upper = torch.triu(torch.ones_like(cosines, dtype=torch.bool), diagonal=1)
    both = present[:, :, None] & present[:, None, :] & upper
    return cosines.flatten(1), both.flatten(1)


def log_sum(logits: Tensor, counted: Tensor) -> Tensor:
    """Return logs of the sums of exponentials over the last axis; 0 where nothing is counted."""
    some = counted.any(dim=-1)
    masked = torch.where(some.unsqueeze(-1), logits.masked_fill(~counted, NOTHING), 0.0)
    return torch.where(some, torch.logsumexp(masked, dim=-1), 0.0)
