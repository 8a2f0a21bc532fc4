"""Encodes a batch for the objective, over processes, in parts where gradient caching asks for it.

Every process encodes its share of the rows; pooled features (and tokens) of all shares are
gathered with their gradient, and projected by every process, because a projection needs the
statistics of the whole batch. Gradient caching (Gao et al., arXiv 2101.06983) encodes each part
without a graph, and once more with one when the loss's gradient for it is known.

Legend: B rows of the batch, b rows of a share, W encoder width, D shared width, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from pipelines.batch import Rows
from pipelines.fusion.fusion import Fusion
from pipelines.objectives.objective import Contrary, Encoded, Hidden, Step
from pipelines.pairing import Pairing
from pipelines.placement import device_of, sent
from pipelines.processes import Processes
from pipelines.towers import Tower
from pipelines.views import CONTRARY, View, Views
from workbench.encoder import Encoder, Features
from workbench.modality import Batch
from workbench.seeding import derive_seed

Reader = Callable[[Batch, Rows], Features]
"""Features of a batch of samples; the manifest rows say which they are."""


@dataclass(frozen=True)
class Crew:
    """What encodes.

    Attributes:
        towers: by modality.
        pairing: which rows hold what.
        processes: who encodes which share.
        micro_batch: rows encoded at a time; None for all of a share.
        readers: by modality, what gives its encoder's features in place of the tower.
        fusions: by name, what makes one vector of several.
    """

    towers: Mapping[str, Tower]
    pairing: Pairing
    processes: Processes
    micro_batch: int | None = None
    readers: Mapping[str, Reader] = field(default_factory=dict)
    fusions: Mapping[str, Fusion] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Where the towers compute."""
        return device_of(next(iter(self.towers.values())))

    def read(self, key: str, batch: Batch, rows: Rows) -> Features:
        """Return the features of some samples, on the towers' device."""
        if key in self.readers:
            return self.readers[key](batch, rows)
        return self.towers[key].features(sent(batch, self.device))


class CachedPart:
    """A part of a share: encoded without a graph, replayed with one.

    Attributes:
        leaves: pooled features, and tokens where the tower has them, that collect the gradient.
    """

    def __init__(self, crew: Crew, key: str, view: View, seed: int) -> None:
        self.crew, self.key, self.view, self.seed = crew, key, view, seed
        self.bf16 = torch.is_autocast_enabled(crew.device.type)
        with torch.no_grad():
            *self.leaves, self.valid = self._encode()
        for leaf in self.leaves:
            leaf.requires_grad_(True)

    def again(self) -> list[Tensor]:
        """Return the leaves' values once more, with the same dropout, with a graph."""
        with torch.autocast(self.crew.device.type, torch.bfloat16, enabled=self.bf16):
            return self._encode()[:-1]

    def replay(self) -> None:
        """Push the cached gradient through the encoder."""
        if any(leaf.grad is not None for leaf in self.leaves):
            pairs = zip(self.again(), self.leaves, strict=True)
            known = [(value, leaf.grad) for value, leaf in pairs if leaf.grad is not None]
            torch.autograd.backward([v for v, _ in known], [g for _, g in known])

    def _encode(self) -> list[Tensor]:
        torch.manual_seed(self.seed)
        return _encode(self.crew, self.key, self.view)


@dataclass(frozen=True)
class Share:
    """What one process encoded of one modality: leaves of shape (n, ...), token validity last."""

    values: Sequence[Tensor]
    parts: Sequence[CachedPart]


@dataclass(frozen=True)
class Encoding:
    """A batch encoded.

    Attributes:
        encoded: vectors of the whole batch.
        gathered: by modality, what the encoders gave for all rows that hold it: pooled features
            (n, W), tokens where there are some, validity.
        parts: what gradient caching replays in this process.
    """

    encoded: Encoded
    gathered: Mapping[str, Sequence[Tensor]]
    parts: Sequence[CachedPart]


def encode(crew: Crew, views: Mapping[str, View], rows: Rows, *, step: int) -> Encoding:
    """Return the vectors of a whole batch.

    Args:
        crew: who encodes.
        views: this process's share.
        rows: manifest rows of the whole batch.
        step: optimiser steps done; with modality and part it keys dropout.
    """
    emb: dict[str, Tensor] = {}
    present: dict[str, Tensor] = {}
    tokens: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    shares = {k: _share(crew, k, views.get(k), step) for k in crew.towers}
    has = {k: torch.from_numpy(crew.pairing.shelves[k].has(rows)) for k in crew.towers}
    gathered = _gathered(crew, {k: s.values for k, s in shares.items()}, has)
    for key, tower in crew.towers.items():
        pooled = gathered[key][0]
        at = sent(has[key].nonzero()[:, 0], crew.device)
        present[key] = sent(has[key], crew.device)
        dim = tower.head.linear.out_features
        vectors = tower.head(pooled) if len(at) else pooled.new_zeros(0, dim)
        emb[key] = _whole(vectors.float(), at, len(rows))
        if tower.has_tokens:
            tokens[key] = _whole(gathered[key][1], at, len(rows))
            masks[key] = _whole(gathered[key][2], at, len(rows)) > 0
    for name, fusion in crew.fusions.items():
        draws = _fusion_draws(crew, name, rows, step) if fusion.training else None
        emb[name], present[name] = fusion(emb, present, draws)
    parts = [part for share in shares.values() for part in share.parts]
    return Encoding(Encoded(emb, present, tokens, masks), gathered, parts)


def joined(encoded: Sequence[Encoded]) -> Encoded:
    """Return the rows of several batches as one."""
    columns = [(e.emb, e.present, e.tokens, e.token_mask) for e in encoded]
    parts = [
        {k: _joined([column[n][k] for column in columns]) for k in columns[0][n]} for n in range(4)
    ]
    return Encoded(*parts)


def hidden_of(crew: Crew, views: Views, rows: Rows, encoded: Encoded) -> dict[str, Hidden]:
    """Return what masked modelling hid in the whole batch, as the encoders cut it into tokens."""
    if not views.masked:
        return {}
    has = {k: torch.from_numpy(crew.pairing.shelves[k].has(rows)) for k in views.masked}
    cut = {}
    for key, masked in views.masked.items():
        encoder = _bare(crew.towers[key])
        length = encoded.tokens[key].shape[1]
        parts = (encoder.patchify(masked.target).float(), encoder.patchify(masked.hidden).float())
        cut[key] = [_padded(part, length) for part in parts]
    found = {}
    with torch.no_grad():  # who has no row of it may not wait for a gradient
        gathered = _gathered(crew, cut, has)
    for key, values in gathered.items():
        at = has[key].nonzero()[:, 0]
        target, hidden = (sent(_whole(v, at, len(rows)), crew.device) for v in values)
        classes = views.masked[key].classes
        found[key] = Hidden(target if classes is None else target.long(), hidden > 0, classes)
    return found


def contrary_of(
    crew: Crew, views: Views, rows: Rows, gathered: Mapping[str, Sequence[Tensor]]
) -> dict[str, Contrary]:
    """Return the vectors of contrary texts of the whole batch.

    They are encoded with a graph, and standardised as the batch's own texts are. The loss has to
    be tied to them, as to all that is gathered.
    """
    share = crew.processes.share(len(rows))
    found = {}
    for key, opposites in views.contrary.items():
        tower, pooled = crew.towers[key], gathered[key][0]
        count = share.stop - share.start
        emb = pooled.new_zeros(count, CONTRARY, tower.head.linear.out_features)
        has = torch.zeros(count, CONTRARY)
        if opposites.batch is not None:
            features = tower.features(sent(opposites.batch, crew.device)).pooled.float()
            at = (opposites.at, opposites.number)
            vectors = tower.head.along(features, pooled).float()
            emb = emb.index_put(sent(at, crew.device), vectors)
            has[at] = 1.0
        every = torch.ones(len(rows), dtype=torch.bool)
        emb, has = _gathered(crew, {key: [emb, has]}, {key: every})[key]
        if bool(has.any()):
            found[key] = Contrary(emb, sent(has > 0, crew.device))
    return found


def _fusion_draws(crew: Crew, name: str, rows: Rows, step: int) -> Tensor | None:
    """Return (B, M) uniform numbers, keyed by row, that decide what a fusion leaves out."""
    fusion = crew.fusions[name]
    if fusion.drop == 0:
        return None
    moment = Step(number=step, seed=crew.pairing.seed)
    ids = torch.from_numpy(rows)
    draws = [moment.draw(ids, f"fuse {name} {key}") for key in fusion.of]
    return sent(torch.stack(draws, dim=1), crew.device)


def _share(crew: Crew, key: str, view: View | None, step: int) -> Share:
    cuts = _cuts(crew, key, view)
    if not cuts:
        return Share(_nothing(crew.towers[key]), [])
    torch.manual_seed(dropout_seed(crew.pairing.seed, key, step, 0))
    if len(cuts) == 1:
        return Share(_encode(crew, key, cuts[0]), [])
    if not torch.is_grad_enabled():
        encoded = [_encode(crew, key, cut) for cut in cuts]
        return Share([_joined(list(c)) for c in zip(*encoded, strict=True)], [])
    seeds = [dropout_seed(crew.pairing.seed, key, step, number) for number in range(len(cuts))]
    parts = [CachedPart(crew, key, *pair) for pair in zip(cuts, seeds, strict=True)]
    columns = zip(*[[*part.leaves, part.valid] for part in parts], strict=True)
    return Share([_joined(list(column)) for column in columns], parts)


def _cuts(crew: Crew, key: str, view: View | None) -> list[View]:
    """Return a view in parts of `micro_batch` rows; none where a share lacks the modality.

    Processes that hold an encoder in parts run it equally often: who has fewer parts is given
    views that keep no row of what they encode.
    """
    cuts: list[View] = []
    if view is not None:
        size = crew.micro_batch or len(view.rows)
        pieces = [slice(start, start + size) for start in range(0, len(view.rows), size)]
        cuts = [View(view.at[p], view.batch.select(p), view.rows[p]) for p in pieces]
        cuts = [view] if len(cuts) == 1 else cuts
    if crew.towers[key].in_parts:
        shelf = crew.pairing.shelves[key]
        some = shelf.decoded.rows[:1]
        idle = View(torch.zeros(0, dtype=torch.int64), shelf.batch(some), some)
        cuts += [idle] * (crew.processes.largest(len(cuts)) - len(cuts))
    return cuts


def _encode(crew: Crew, key: str, view: View) -> list[Tensor]:
    """Return pooled features, then tokens where the tower has them, then token validity."""
    tower = crew.towers[key]
    features = crew.read(key, view.batch, view.rows)
    pooled = features.pooled.float()
    found = [pooled, pooled.new_ones(len(pooled), 1)]
    if tower.has_tokens:
        tokens, valid = tower.tokens(features)
        found = [pooled, tokens, valid.float()]
    return found if len(view.at) == len(view.rows) else [v[: len(view.at)] for v in found]


def _nothing(tower: Tower) -> list[Tensor]:
    """Return values of no rows, for a share without the modality."""
    weight = tower.head.linear.weight
    pooled = weight.new_zeros(0, weight.shape[1])
    if not tower.has_tokens:
        return [pooled, pooled.new_zeros(0, 1)]
    return [pooled, weight.new_zeros(0, 1, weight.shape[0]), weight.new_zeros(0, 1)]


def _gathered(
    crew: Crew, values: Mapping[str, Sequence[Tensor]], has: Mapping[str, Tensor]
) -> dict[str, list[Tensor]]:
    """Return the values of all shares, one after another, with their gradient.

    Args:
        crew: whose processes meet.
        values: by modality, tensors of the rows of this share that hold it.
        has: by modality, (B,) bool: which rows of the batch hold it.
    """
    processes = crew.processes
    if processes.world == 1:
        return {k: list(parts) for k, parts in values.items()}
    shares = [processes.share(len(next(iter(has.values()))), r) for r in range(processes.world)]
    flat, counts = [], []
    for key, parts in values.items():
        length = processes.largest(max((v.shape[1] for v in parts[1:]), default=1))
        flat += [parts[0], *(_padded(v, length) for v in parts[1:])]
        counts += [[int(has[key][share].sum()) for share in shares]] * len(parts)
    found = iter(processes.gather_all(flat, counts))
    return {key: [next(found) for _ in parts] for key, parts in values.items()}


def _joined(columns: list[Tensor]) -> Tensor:
    """Concatenate parts whose second axis, tokens, may differ in length."""
    if columns[0].ndim == 1 or len({c.shape[1] for c in columns}) == 1:
        return torch.cat(columns)
    length = max(c.shape[1] for c in columns)
    return torch.cat([_padded(c, length) for c in columns])


def _padded(values: Tensor, length: int) -> Tensor:
    """Pad the second axis with zeros."""
    short = length - values.shape[1]
    if short <= 0:
        return values
    return nn.functional.pad(values, (0, 0) * (values.ndim - 2) + (0, short))


def _whole(values: Tensor, at: Tensor, count: int) -> Tensor:
    """Return rows put in their place among zeros."""
    return values.new_zeros(count, *values.shape[1:]).index_copy(0, at, values)


def _bare(tower: Tower) -> Encoder:
    """Return the encoder inside whatever adapts it."""
    return next(m for m in tower.encoder.modules() if isinstance(m, Encoder))


def dropout_seed(seed: int, key: str, step: int, number: int) -> int:
    """Return the seed of one part's dropout."""
    return derive_seed(seed, "dropout", key, step, number) % 2**63
