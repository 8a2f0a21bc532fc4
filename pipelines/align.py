"""Contrastive alignment: towers meet in one space over the edges of the pipeline.

Legend: B rows of a batch, E shared width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from pipelines.batch import ItemTable, Rows, Shelf, calibration_batches, epoch_batches
from pipelines.objectives.objective import Encoded, Objective
from pipelines.towers import Tower
from workbench.config import AlignConfig
from workbench.manifest import Manifest
from workbench.modality import Batch
from workbench.seeding import derive_seed

VALIDATION_ROWS = 2000

Views = Mapping[str, tuple[Tensor, Batch]]
"""By modality: which positions of the batch hold it, and their training views."""


@dataclass(frozen=True)
class Pairing:
    """What alignment is given beside towers and objective.

    Attributes:
        shelves: decoded samples by modality.
        table: coded groups, contents and labels.
        manifest: the rows.
        edges: modality pairs to align.
        seed: the run's seed.
    """

    shelves: Mapping[str, Shelf]
    table: ItemTable
    manifest: Manifest
    edges: Sequence[tuple[str, str]]
    seed: int

    def usable(self, split: str) -> Rows:
        """Return the rows of a split that hold both sides of at least one edge."""
        rows = np.array([i for i, s in enumerate(self.manifest.splits) if s == split], np.int64)
        if len(rows) == 0:
            return rows
        has = {k: s.has(rows) for k, s in self.shelves.items()}
        keep = np.zeros(len(rows), dtype=bool)
        for a, b in self.edges:
            keep |= has[a] & has[b]
        return rows[keep]

    def samples(self, key: str) -> Iterator[Batch]:
        """Yield the training samples that the encoder of a modality calibrates itself on."""
        return calibration_batches(self.shelves[key], self.manifest, seed=self.seed)


class Alignment:
    """A lesson for `fit`: encode the present modalities of each row, pull partners together."""

    def __init__(
        self, towers: Mapping[str, Tower], objective: Objective, pairing: Pairing,
        config: AlignConfig,
    ) -> None:  # fmt: skip
        self.towers, self.objective = dict(towers), objective
        self.pairing, self.config = pairing, config
        self.rows = pairing.usable("train")
        self.held = pairing.usable("val")[:VALIDATION_ROWS]
        self.ids = [pairing.manifest.ids[int(r)] for r in self.rows]

    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Trainable parameters of the towers and of the objective."""
        found = {f"objective.{n}": p for n, p in self.objective.named_parameters()}
        for key, tower in self.towers.items():
            found |= {f"{key}.{n}": p for n, p in tower.named_parameters()}
        return {name: p for name, p in found.items() if p.requires_grad}

    def buffers(self) -> Mapping[str, Tensor]:
        """Buffers of the towers and of the objective."""
        found = {f"objective.{n}": b for n, b in self.objective.named_buffers()}
        for key, tower in self.towers.items():
            found |= {f"{key}.{n}": b for n, b in tower.named_buffers()}
        return found

    def batches(self, epoch: int) -> Sequence[Rows]:
        """Usable training rows, shuffled."""
        size, seed = self.config.batch_size, self.pairing.seed
        return [self.rows[p] for p in epoch_batches(self.ids, seed=seed, epoch=epoch, size=size)]

    def prepare(self, batch: Rows, epoch: int) -> Views:
        """Draw the training views of a batch."""
        return dict(self._views(batch, epoch))

    def learn(self, batch: Rows, views: Views, step: int) -> Mapping[str, float]:
        """Back-propagate one batch, in parts of `micro_batch` rows where that is set."""
        for tower in self.towers.values():
            tower.train()
        encoded, parts = self._encode(views, batch, step)
        out = self.objective(encoded, self.pairing.table.items(batch))
        if not out.terms:
            return {}
        loss = out.total
        loss.backward()
        for part in parts:
            part.replay()
        terms = {f"loss/{k}": float(v.detach()) for k, v in out.terms.items()}
        return {"loss": float(loss.detach()), **terms, **out.logs}

    def after_step(self) -> None:
        """Let the objective adjust its state."""
        self.objective.after_step()

    def validate(self) -> float | None:
        """Return the mean reciprocal rank of partners over the edges, both directions.

        Equal contents, such as identical reports, count as partners.
        """
        if len(self.held) < 2:
            return None
        with torch.no_grad():
            vectors = {k: self._held_vectors(k) for k in self.pairing.shelves}
            values = [self._edge_mrr(vectors, a, b) for a, b in self.pairing.edges]
        known = [v for v in values if v is not None]
        return sum(known) / len(known) if known else None

    def describe(self, batch: Rows) -> str:
        """Return the row ids of a batch."""
        return ", ".join(self.pairing.manifest.ids[int(r)] for r in batch)

    def _views(self, rows: Rows, epoch: int) -> Iterator[tuple[str, tuple[Tensor, Batch]]]:
        """Yield, per modality, the positions in the batch that hold it, and their views."""
        for key, shelf in self.pairing.shelves.items():
            has = shelf.has(rows)
            if has.any():
                ids, seed = self.pairing.manifest.ids, self.pairing.seed
                view = shelf.view(rows[has], ids, seed=seed, epoch=epoch)
                yield key, (torch.from_numpy(np.flatnonzero(has)), view)

    def _encode(self, views: Views, rows: Rows, step: int) -> tuple[Encoded, list[_Part]]:
        emb: dict[str, Tensor] = {}
        present: dict[str, Tensor] = {}
        parts: list[_Part] = []
        for key in self.pairing.shelves:
            mask = torch.zeros(len(rows), dtype=torch.bool)
            whole = torch.zeros(len(rows), self.config.dim)
            if key in views:
                at, view = views[key]
                mask[at] = True
                vectors, mine = self._forward(key, view, step)
                parts += mine
                whole = whole.index_copy(0, at, vectors.float())
            emb[key], present[key] = whole, mask
        return Encoded(emb, present), parts

    def _forward(self, key: str, view: Batch, step: int) -> tuple[Tensor, list[_Part]]:
        """Return the vectors of a view, and what gradient caching has to replay afterwards.

        Only the encoder runs in parts: the projection sees the whole batch, whose statistics it
        needs, so that the result equals the full batch's.
        """
        tower, size = self.towers[key], self.config.micro_batch
        torch.manual_seed(self._dropout_seed(key, step, 0))
        if size is None or len(view) <= size:
            return tower(view), []
        parts = []
        for number, start in enumerate(range(0, len(view), size)):
            chunk = view.select(slice(start, start + size))
            parts.append(_Part(tower, chunk, self._dropout_seed(key, step, number)))
        return tower.head(torch.cat([part.leaf for part in parts])), parts

    def _dropout_seed(self, key: str, step: int, number: int) -> int:
        return derive_seed(self.pairing.seed, "dropout", key, step, number) % 2**63

    def _held_vectors(self, key: str) -> tuple[Rows, Tensor]:
        shelf, tower = self.pairing.shelves[key], self.towers[key].eval()
        rows = self.held[shelf.has(self.held)]
        size = self.config.micro_batch or 64
        chunks = [tower(shelf.batch(rows[i : i + size])) for i in range(0, len(rows), size)]
        return rows, torch.cat(chunks) if chunks else torch.zeros(0, self.config.dim)

    def _edge_mrr(self, vectors: Mapping[str, tuple[Rows, Tensor]], a: str, b: str) -> float | None:
        rows = np.intersect1d(vectors[a][0], vectors[b][0])
        if len(rows) < 2:
            return None
        left = vectors[a][1][torch.from_numpy(np.searchsorted(vectors[a][0], rows))]
        right = vectors[b][1][torch.from_numpy(np.searchsorted(vectors[b][0], rows))]
        scores = nn.functional.normalize(left.float()) @ nn.functional.normalize(right.float()).T
        content = self.pairing.table.content
        at = torch.from_numpy(rows)
        same = (content[a][at][:, None] == content[a][at]) | (
            content[b][at][:, None] == content[b][at]
        )
        return 0.5 * (_mrr(scores, same) + _mrr(scores.T, same.T))


class _Part:
    """The features of one part of a batch: encoded without a graph, replayed with one."""

    def __init__(self, tower: Tower, view: Batch, seed: int) -> None:
        self.tower, self.view, self.seed = tower, view, seed
        self.bf16 = torch.is_autocast_enabled("cpu")
        with torch.no_grad():
            torch.manual_seed(seed)
            self.leaf = tower.features(view).pooled.float()
        self.leaf.requires_grad_(True)

    def replay(self) -> None:
        """Encode again with the same dropout and push the cached gradient through."""
        if self.leaf.grad is None:
            return
        torch.manual_seed(self.seed)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            again = self.tower.features(self.view).pooled.float()
        again.backward(self.leaf.grad)  # type: ignore[no-untyped-call]


def _mrr(scores: Tensor, relevant: Tensor) -> float:
    """Mean reciprocal rank of the best relevant column; ties count against it."""
    best = scores.masked_fill(~relevant, float("-inf")).amax(dim=1, keepdim=True)
    ahead = ((scores >= best) & ~relevant).sum(dim=1)
    return float((1.0 / (1 + ahead).float()).mean())
