"""Contrastive alignment: towers meet in one space over the edges of the pipeline.

Legend: B rows of a batch, E shared width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import torch
from torch import Tensor, nn

from pipelines.averages import Averages
from pipelines.batch import Rows
from pipelines.batch_plans import planned_batches
from pipelines.encode import CachedPart, Crew, Encoding, contrary_of, encode, hidden_of, joined
from pipelines.harmonize import conflict_share, harmonized
from pipelines.objectives.entry import Need, ObjectiveEntry, ObjectiveOptions
from pipelines.objectives.objective import Encoded, Items, LossOut, Memory, Objective, Step
from pipelines.placement import sent
from pipelines.processes import Processes
from pipelines.validation import mean_reciprocal_rank
from pipelines.views import Views, draw_views, plain_views
from workbench.config import AlignConfig
from workbench.seeding import derive_seed

VALIDATION_ROWS = 2000
EMBEDDED_AT_ONCE = 64


@dataclass(frozen=True)
class Demand:
    """What an objective asks of the trainer beside pooled vectors.

    Attributes:
        needs: see `Need`.
        ema_decay: decay of the averaged towers.
        mask_ratio: share of a sample that masked modelling hides.
    """

    needs: frozenset[Need] = frozenset()
    ema_decay: float = 0.99
    mask_ratio: float = 0.6


def demand_of(entry: ObjectiveEntry, options: ObjectiveOptions) -> Demand:
    """Return what an objective with these options asks for."""
    return Demand(
        entry.needed(options),
        float(getattr(options, "ema_decay", Demand.ema_decay)),
        float(getattr(options, "mask_ratio", Demand.mask_ratio)),
    )


class Alignment:
    """A lesson for `fit`: encode the present modalities of each row, pull partners together."""

    def __init__(
        self, crew: Crew, objective: Objective, config: AlignConfig, demand: Demand
    ) -> None:
        self.crew, self.objective, self.config, self.demand = crew, objective, config, demand
        self.pairing = crew.pairing
        self.rows = self.pairing.usable("train")
        self.held = self.pairing.usable("val")[:VALIDATION_ROWS]
        self.ids = [self.pairing.manifest.ids[int(r)] for r in self.rows]
        self.modules = nn.ModuleDict({"objective": objective})
        self.modules.update({f"tower:{k}": t for k, t in crew.towers.items()})
        self.modules.update({f"fusion:{k}": f for k, f in crew.fusions.items()})
        self.averages = self._averages() if "ema" in demand.needs else None
        self.total = max(1, len(self.batches(0)) * config.epochs)
        self.last: tuple[Encoded, Items, Step] | None = None

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Trainable parameters of towers, fusions and objective."""
        return {n: p for n, p in self.modules.named_parameters() if p.requires_grad}

    def buffers(self) -> Mapping[str, Tensor]:
        """Buffers of towers, fusions and objective, and the averaged weights."""
        found = dict(self.modules.named_buffers())
        if self.averages is not None:
            found |= {f"average:{n}": t for n, t in self.averages.state().items()}
        return found

    def batches(self, epoch: int) -> Sequence[Rows]:
        """Usable training rows, as the batch plan lets them meet."""
        plan = self.config.batches
        column = self._kinds()
        found = planned_batches(
            plan, self.ids, [column[int(r)] for r in self.rows], seed=self.pairing.seed,
            epoch=epoch, size=self.config.batch_size,
        )  # fmt: skip
        return [self.rows[positions] for positions in found]

    def prepare(self, batch: Rows, epoch: int) -> Views:
        """Draw the training views of this process's share of a batch."""
        return draw_views(
            self.pairing, batch, self._share(len(batch)), epoch=epoch, needs=self.demand.needs,
            mask_ratio=self.demand.mask_ratio,
        )  # fmt: skip

    def learn(self, batch: Rows, views: Views, step: int) -> Mapping[str, float]:
        """Back-propagate one batch, in parts of `micro_batch` rows where that is set."""
        self.modules.train()
        self._begin_epoch(step)
        encoding = encode(self.crew, views.first, batch, step=step)
        twice = "views" in self.demand.needs  # also where this process's share is empty
        second = encode(self.crew, views.second, batch, step=step) if twice else None
        moment = self._step(encoding, second, views, batch, step)
        items = self._items(batch)
        out = self.objective(encoding.encoded, items, moment)
        if not out.terms:
            return {}
        parts = [*encoding.parts, *(second.parts if second else ())]
        terms = self._shared(out)
        met = [*_gathered(encoding, second), *(c.emb for c in moment.contrary.values())]
        if self.config.gradients == "harmonize" and len(terms) > 1:
            conflicts = self._harmonize(list(terms.values()), parts, met)
        else:
            conflicts = {}
            processes = self.crew.processes
            loss = torch.stack(list(terms.values())).sum()
            processes.backward(processes.tie(loss, met))
            for part in parts:
                part.replay()
            processes.sum_gradients(self.parameters().values())
        self.last = (_detached(encoding.encoded), items, moment)
        return {**self._logs(out, terms), **conflicts}

    def after_step(self) -> None:
        """Let averages and objective follow the step."""
        if self.averages is not None:
            self.averages.update()
        if self.last is not None:
            self.objective.after_step(*self.last)
            self.last = None

    def validate(self) -> float | None:
        """Return the mean reciprocal rank of partners over the edges, both directions."""
        if len(self.held) < 2:
            return None
        with torch.no_grad():
            encoded = self._embedded(self.held)
            items = self._items(self.held)
            return mean_reciprocal_rank(self.objective, self.pairing.edges, encoded, items)

    def describe(self, batch: Rows) -> str:
        """Return the row ids of a batch."""
        return ", ".join(self.pairing.manifest.ids[int(r)] for r in batch)

    def _kinds(self) -> Sequence[str | None]:
        """Return what the batch plan looks at, by row of the manifest."""
        plan, manifest = self.config.batches, self.pairing.manifest
        if plan.plan == "clusters":
            return self.pairing.clusters or [None] * len(manifest)
        return manifest.groups if plan.label is None else manifest.column(plan.label)

    def _begin_epoch(self, step: int) -> None:
        per_epoch = self.total // self.config.epochs
        if step % per_epoch == 0:
            self.objective.on_epoch(step // per_epoch, self._memory)
            self.modules.train()

    def _step(
        self, encoding: Encoding, second: Encoding | None, views: Views, batch: Rows, number: int
    ) -> Step:
        """Return everything beside vectors that the objective is given."""
        processes = self.crew.processes
        ema, ema_second = self._averaged(views, batch, number)
        return Step(
            number=number,
            epoch=number * self.config.epochs // self.total,
            progress=number / self.total,
            seed=derive_seed(self.pairing.seed, "objective") % 2**63,
            rank=processes.rank,
            world=processes.world,
            ema=ema,
            second=None if second is None else second.encoded,
            ema_second=ema_second,
            hidden=hidden_of(self.crew, views, batch, encoding.encoded),
            contrary=contrary_of(self.crew, views, batch, encoding.gathered),
        )

    def _averaged(
        self, views: Views, batch: Rows, number: int
    ) -> tuple[Encoded | None, Encoded | None]:
        """Return both views by the averaged towers, without gradient."""
        if self.averages is None:
            return None, None
        with self.averages.applied(), torch.no_grad():
            first = encode(self.crew, views.first, batch, step=number).encoded
            if "views" not in self.demand.needs:
                return first, None
            return first, encode(self.crew, views.second, batch, step=number).encoded

    def _averages(self) -> Averages:
        kept = {k: m for k, m in self.modules.items() if k != "objective"}
        return Averages(nn.ModuleDict(kept), self.demand.ema_decay)

    def _items(self, rows: Rows) -> Items:
        """Return the coded facts of rows; a fused vector equals no other's content."""
        items = self.pairing.table.items(rows)
        fused = {name: torch.full_like(items.ids, -1) for name in self.pairing.fused}
        facts = (items.ids, items.group, {**items.content, **fused}, items.label, items.ranks)
        return Items(*sent(facts, self.crew.device))

    def _shared(self, out: LossOut) -> dict[str, Tensor]:
        """Return this process's weighted part of every term; all parts add up to the loss."""
        scale = sum(out.weights[k] for k in out.terms)
        if not self.objective.row_split:
            scale *= self.crew.processes.world
        return {k: out.weights[k] / scale * v for k, v in out.terms.items()}

    def _logs(self, out: LossOut, terms: Mapping[str, Tensor]) -> dict[str, float]:
        values = {k: float(v.detach()) for k, v in terms.items()}
        whole = self.crew.processes.sum_logs({"loss": sum(values.values()), **values})
        weights = {k: out.weights[k] / sum(out.weights[t] for t in out.terms) for k in out.terms}
        named = {f"loss/{k}": whole[k] / weights[k] for k in out.terms if weights[k]}
        return {"loss": whole["loss"], **named, **out.logs}

    def _harmonize(
        self, terms: Sequence[Tensor], parts: Sequence[CachedPart], gathered: Sequence[Tensor]
    ) -> dict[str, float]:
        """Set the gradients that remain when no term works against another."""
        weights, processes = list(self.parameters().values()), self.crew.processes
        leaves = [*(leaf for part in parts for leaf in part.leaves), *processes.anchors]
        again = [value for part in parts for value in part.again()]
        found: list[list[Tensor | None]] = []
        for term in terms:
            direct = torch.autograd.grad(
                processes.tie(term, gathered), [*weights, *leaves],
                retain_graph=True, allow_unused=True,
            )  # fmt: skip
            cached = _through(again, direct[len(weights) :][: len(again)], weights)
            found.append([_sum(a, b) for a, b in zip(direct[: len(weights)], cached, strict=True)])
        for term_gradients in found:
            self._sum_over_processes(weights, term_gradients)
        for weight, gradient in zip(weights, harmonized(found), strict=True):
            weight.grad = gradient
        return {"conflicts": conflict_share(found)}

    def _sum_over_processes(
        self, weights: Sequence[nn.Parameter], gradients: list[Tensor | None]
    ) -> None:
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        self.crew.processes.sum_gradients(weights)
        gradients[:] = [weight.grad for weight in weights]

    def _memory(self) -> Memory:
        """Embed all training rows as they are now."""
        with torch.no_grad():
            encoded = self._embedded(self.rows)
        ids = sent(torch.from_numpy(self.rows), self.crew.device)
        return {
            key: (ids[encoded.present[key]], vectors[encoded.present[key]])
            for key, vectors in encoded.emb.items()
        }

    def _embedded(self, rows: Rows) -> Encoded:
        """Encode rows without training views, in evaluation mode, every process all of them."""
        self.modules.eval()
        crew = replace(self.crew, processes=Processes.alone())
        starts = range(0, len(rows), EMBEDDED_AT_ONCE)
        pieces = [rows[i : i + EMBEDDED_AT_ONCE] for i in starts]
        encoded = [encode(crew, plain_views(self.pairing, p), p, step=0).encoded for p in pieces]
        return joined(encoded)

    def _share(self, count: int) -> slice:
        return self.crew.processes.share(count)


def _gathered(*encodings: Encoding | None) -> list[Tensor]:
    found = [e.gathered.values() for e in encodings if e is not None]
    return [value for parts in chain(*found) for value in parts]


def _through(
    values: Sequence[Tensor], gradients: Sequence[Tensor | None], weights: Sequence[nn.Parameter]
) -> Sequence[Tensor | None]:
    """Return the gradient of the weights behind values whose own gradient is known."""
    known = [(v, g) for v, g in zip(values, gradients, strict=True) if g is not None]
    if not known:
        return [None] * len(weights)
    outputs, given = zip(*known, strict=True)
    return torch.autograd.grad(outputs, list(weights), given, retain_graph=True, allow_unused=True)


def _sum(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a + b


def _detached(encoded: Encoded) -> Encoded:
    return Encoded(*(
        {k: v.detach() for k, v in part.items()}
        for part in (encoded.emb, encoded.present, encoded.tokens, encoded.token_mask)
    ))  # fmt: skip
