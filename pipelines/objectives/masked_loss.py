"""Masked views are contrasted, what was hidden is filled in jointly, and pairs are told from misses.

Legend: B rows of a batch, r rows of a block, T tokens, P elements under a token, C classes,
W width of the joint encoder, n hidden tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.joint import JointEncoder, slot
from pipelines.objectives.masked import MaskedOptions
from pipelines.objectives.near_misses import near_misses
from pipelines.objectives.objective import Encoded, Hidden, Items, LossOut, Step

BLOCK = 64
"""Rows whose tokens are in the joint encoder at a time."""


class Masked(Contrastive):
    """Contrast, reconstruction and matching on one view with parts hidden.

    The joint encoder sees the tokens of all present modalities of a row, so that one modality
    helps to fill in another (CROMA, arXiv 2311.00566); only hidden elements of present rows are
    targets, and what was never measured is not. Matching tells a row's own pair from the nearest
    wrong ones in both directions (ALBEF, arXiv 2107.07651; TIP, arXiv 2407.07582). Edges of vectors
    without tokens of their own, such as fused ones, are contrasted only.

    Args:
        options: see MaskedOptions.
        edges: the comparisons to sum.
        shapes: with the sizes of what is reconstructed.
    """

    settings: MaskedOptions

    def __init__(self, options: MaskedOptions, edges: Sequence[Edge], shapes: Shapes) -> None:
        super().__init__(options, edges, shapes)
        if options.contrast == 0:
            self.log_scale.requires_grad_(False)
        names, width = list(shapes.recon), options.width
        self.joint = JointEncoder(
            names, shapes.dim, width=width, depth=options.depth, heads=options.heads
        )
        self.match: nn.Module = nn.Linear(width, 1) if options.match > 0 else nn.Identity()
        self.fill = nn.ModuleDict()
        if options.reconstruct > 0:
            for name, (elements, classes) in shapes.recon.items():
                self.fill[slot(name)] = nn.Linear(width, elements * max(classes, 1))

    def forward(self, encoded: Encoded, items: Items, step: Step) -> LossOut:
        """Return the contrastive terms by edge, "reconstruct/..." and "match/..."."""
        given = self.settings
        none = LossOut({}, {})
        parts = (
            (given.contrast, super().forward(encoded, items, step) if given.contrast else none),
            (given.reconstruct, self._reconstruct(encoded, step) if given.reconstruct else none),
            (given.match, self._match(encoded, items, step) if given.match else none),
        )
        out = LossOut({}, {}, {})
        for weight, part in parts:
            whole = sum(part.weights[name] for name in part.terms)
            out.terms.update(part.terms)
            out.logs.update(part.logs)
            out.weights.update({k: weight * part.weights[k] / whole for k in part.terms})
        return out

    def _reconstruct(self, encoded: Encoded, step: Step) -> LossOut:
        """Return one term per modality: the mean over the hidden elements of the batch."""
        names = [k for k in self.shapes.recon if k in step.hidden and k in encoded.tokens]
        valid = {k: _valid(encoded, k) for k in names}
        hidden = {k: step.hidden[k].hidden & valid[k][..., None] for k in names}
        counts = {k: int(h.sum()) for k, h in hidden.items()}
        logs = {f"n_valid/reconstruct/{k}": float(n) for k, n in counts.items()}
        wanted = [k for k in names if counts[k]]
        if not wanted:
            return LossOut({}, {}, logs)

        def cost(rows: Tensor) -> Tensor:
            tokens = {k: encoded.tokens[k][rows] for k in names}
            _, found = self.joint(tokens, {k: v[rows] for k, v in valid.items()})
            places = {k: hidden[k][rows] for k in wanted}
            costs = [
                self._cost(k, found[k], step.hidden[k], rows=rows, places_rTP=places[k])
                for k in wanted
            ]
            return torch.stack(costs)

        share = step.share(len(hidden[wanted[0]]))
        rows = torch.arange(share.start, share.stop, device=encoded.present[wanted[0]].device)
        sums = _in_blocks(cost, rows, len(wanted))
        terms = {f"reconstruct/{k}": sums[i] / counts[k] for i, k in enumerate(wanted)}
        return LossOut(terms, dict.fromkeys(terms, 1.0), logs)

    def _cost(
        self, name: str, found_rTW: Tensor, hidden: Hidden, *, rows: Tensor, places_rTP: Tensor
    ) -> Tensor:
        """Return the summed error of the hidden elements of some rows of one modality."""
        target = hidden.target[rows]
        touched = places_rTP.any(dim=-1)
        guess: Tensor = self.fill[slot(name)](found_rTW[touched]).float()
        places, wanted = places_rTP[touched], target[touched]
        if hidden.classes is not None:
            logits = guess.reshape(*wanted.shape, hidden.classes)[places]
            wrong: Tensor = functional.cross_entropy(logits, wanted[places].long(), reduction="sum")
            return wrong
        wanted = wanted.float()
        if self.settings.normalise and wanted.shape[-1] > 1:
            wanted = standardised(wanted)
        return (guess[places] - wanted[places]).square().sum()

    def _match(self, encoded: Encoded, items: Items, step: Step) -> LossOut:
        """Return one term per edge whose sides have tokens."""
        out = LossOut({}, {}, {})
        for number, edge in enumerate(self.edges):
            sides = (edge.query, *edge.candidates)
            if not all(k in encoded.tokens and k in self.shapes.recon for k in sides):
                continue
            asked = self._questions(encoded, items, step, number=number)
            out.logs[f"n_valid/match/{edge.name}"] = float(asked.shape[1])
            if asked.shape[1]:
                name = f"match/{edge.name}"
                out.terms[name] = self._told_apart(encoded, edge, asked, step=step)
                out.weights[name] = edge.weight
        return out

    def _questions(self, encoded: Encoded, items: Items, step: Step, *, number: int) -> Tensor:
        """Return (3, n): query row, candidate row, and 1 where they belong together.

        Every row with both sides and a near miss on either asks about its own pair, and each near
        miss asks too.
        """
        pairs, edge = self.pairs(encoded, items, number), self.edges[number]
        forth = near_misses(pairs, items, step, name=f"match {edge.name}")
        back = near_misses(pairs.other_way(), items, step, name=f"match back {edge.name}")
        whole = pairs.query.any_present() & pairs.candidate.any_present()
        rows = torch.arange(len(whole), device=whole.device)
        own = rows[whole & ((forth >= 0) | (back >= 0))]
        missed, wrong = rows[whole & (forth >= 0)], rows[whole & (back >= 0)]
        query = torch.cat([own, missed, back[wrong]])
        candidate = torch.cat([own, forth[missed], wrong])
        return torch.stack([query, candidate, (query == candidate).long()])

    def _told_apart(self, encoded: Encoded, edge: Edge, asked: Tensor, *, step: Step) -> Tensor:
        """Return this process's part of the mean binary cross-entropy of the questions."""

        def cost(numbers: Tensor) -> Tensor:
            query, candidate, truth = asked[:, numbers]
            rows = {edge.query: query, **dict.fromkeys(edge.candidates, candidate)}
            tokens = {k: encoded.tokens[k][at] for k, at in rows.items()}
            valid = {k: _valid(encoded, k)[at] for k, at in rows.items()}
            first, _ = self.joint(tokens, valid)
            logit = self.match(first).squeeze(-1).float()
            return functional.binary_cross_entropy_with_logits(
                logit, truth.float(), reduction="sum"
            )[None]

        share = step.share(asked.shape[1])
        numbers = torch.arange(share.start, share.stop, device=asked.device)
        return _in_blocks(cost, numbers, 1)[0] / asked.shape[1]


def standardised(target: Tensor) -> Tensor:
    """Bring the elements under each token to mean 0 and deviation 1, as MAE does (He et al. 2022)."""
    centred = target - target.mean(dim=-1, keepdim=True)
    variance = centred.square().mean(dim=-1, keepdim=True)
    return centred / (variance + 1e-6).sqrt()


def _valid(encoded: Encoded, name: str) -> Tensor:
    return encoded.token_mask[name] & encoded.present[name][:, None]


def _in_blocks(cost: Callable[[Tensor], Tensor], rows: Tensor, size: int) -> Tensor:
    """Return the (size,) sums over all rows; blocks are computed again for their gradient."""
    if len(rows) == 0:
        return torch.zeros(size, device=rows.device)
    if len(rows) <= BLOCK:
        return cost(rows)
    parts = [
        checkpoint(cost, part, use_reentrant=False, preserve_rng_state=False)
        for part in torch.split(rows, BLOCK)
    ]
    return torch.stack(parts).sum(dim=0)
