"""What a training step encodes: a batch's views, second views, hidden parts, contrary texts.

Everything is drawn from keys of its own (seed, epoch, row), so that it does not matter which
process draws it, or when. Legend: B rows of a process's share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pipelines.batch import Rows, Shelf
from pipelines.objectives.entry import Need
from pipelines.pairing import Pairing
from workbench.modality import Batch, Masked, Modality, Sample
from workbench.seeding import derive_seed, keyed_rng

CONTRARY = 4
"""Most contrary texts of a row."""


@dataclass(frozen=True)
class View:
    """Samples of one modality, and where in the share they belong.

    Attributes:
        at: positions in the share of the rows that hold the modality.
        batch: their samples, in that order.
        rows: their manifest rows, in that order.
    """

    at: Tensor
    batch: Batch
    rows: Rows


@dataclass(frozen=True)
class Opposites:
    """Contrary texts: their row's position in the share, their number within the row.

    `batch` is None where this share has none.
    """

    at: Tensor
    number: Tensor
    batch: Batch | None


@dataclass(frozen=True)
class Views:
    """All that one step encodes, by modality; what the objective does not need is empty."""

    first: Mapping[str, View]
    second: Mapping[str, View] = field(default_factory=dict)
    masked: Mapping[str, Masked] = field(default_factory=dict)
    contrary: Mapping[str, Opposites] = field(default_factory=dict)


def draw_views(
    pairing: Pairing, rows: Rows, share: slice, *, epoch: int, needs: frozenset[Need],
    mask_ratio: float,
) -> Views:  # fmt: skip
    """Return the views of one process's share of a batch.

    Args:
        pairing: samples and ids.
        rows: manifest rows of the whole batch.
        share: which of them this process encodes.
        epoch: epochs done.
        needs: what the objective reads.
        mask_ratio: share of each sample to hide, where it needs reconstruction.
    """
    mine = rows[share]
    second: Mapping[str, View] = {}
    masked: dict[str, Masked] = {}
    contrary: dict[str, Opposites] = {}
    if "recon" in needs:
        whole = _views(pairing, rows, epoch, pairing.seed)
        rng_key = (epoch, int(rows[0]))
        hidden = {k: _hide(pairing, k, v, key=rng_key, ratio=mask_ratio) for k, v in whole.items()}
        kept = {k: (v.at >= share.start) & (v.at < share.stop) for k, v in whole.items()}
        masked = {k: _cut(hidden[k], kept[k]) for k in whole}
        first = {
            k: View(v.at[kept[k]] - share.start, masked[k].batch, v.rows[kept[k].numpy()])
            for k, v in whole.items()
            if bool(kept[k].any())
        }
    else:
        first = _views(pairing, mine, epoch, pairing.seed)
    if "views" in needs:
        second = _views(pairing, mine, epoch, derive_seed(pairing.seed, "second view"))
    if "contrary" in needs:
        able = [k for k, s in pairing.shelves.items() if _contradicts(s)]
        contrary = {k: _opposites(pairing, k, mine, epoch) for k in able}
    return Views(first, second, masked, contrary)


def plain_views(pairing: Pairing, rows: Rows) -> dict[str, View]:
    """Return the samples of rows as they are, not as training sees them."""
    found = {}
    for key, shelf in pairing.shelves.items():
        has = shelf.has(rows)
        if has.any():
            at = torch.from_numpy(np.flatnonzero(has))
            found[key] = View(at, shelf.batch(rows[has]), rows[has])
    return found


def _views(pairing: Pairing, rows: Rows, epoch: int, seed: int) -> dict[str, View]:
    found = {}
    for key, shelf in pairing.shelves.items():
        has = shelf.has(rows)
        if has.any():
            batch = shelf.view(rows[has], pairing.manifest.ids, seed=seed, epoch=epoch)
            found[key] = View(torch.from_numpy(np.flatnonzero(has)), batch, rows[has])
    return found


def _hide(pairing: Pairing, name: str, view: View, *, key: tuple[int, int], ratio: float) -> Masked:
    """Hide parts of a view of the whole batch, keyed by epoch and the batch's first row.

    A modality masks a batch with one generator, so every process masks the whole batch and keeps
    its share.
    """
    part = pairing.shelves[name].part
    rng = keyed_rng(pairing.seed, "align mask", name, *key)
    return part.modality.mask(view.batch, rng, part.options, ratio=ratio)


def _cut(masked: Masked, kept: Tensor) -> Masked:
    rows = kept.nonzero()[:, 0]
    return Masked(
        masked.batch.select(rows), masked.target[rows], masked.hidden[rows], masked.classes
    )


def _contradicts(shelf: Shelf) -> bool:
    """Whether a modality has its own way to contradict a sample."""
    return type(shelf.part.modality).contradict is not Modality.contradict


def _opposites(pairing: Pairing, key: str, rows: Rows, epoch: int) -> Opposites:
    """Return the contrary samples of a modality that knows how to make them."""
    shelf = pairing.shelves[key]
    at: list[int] = []
    number: list[int] = []
    samples: list[Sample] = []
    for position, row in enumerate(rows):
        if shelf.place[row] >= 0:
            made = _contradict(pairing, key, int(row), epoch)[:CONTRARY]
            at += [position] * len(made)
            number += range(len(made))
            samples += made
    collate, options = shelf.part.modality.collate, shelf.part.options
    batch = collate(samples, options) if samples else None
    return Opposites(torch.tensor(at), torch.tensor(number), batch)


def _contradict(pairing: Pairing, key: str, row: int, epoch: int) -> list[Sample]:
    """Return what contradicts a row's text, which is read from its file: stored samples keep none."""
    part, sample = pairing.shelves[key].part, pairing.read(key, row)
    rng = keyed_rng(pairing.seed, "contrary", key, epoch, pairing.manifest.ids[row])
    return [] if sample is None else list(part.modality.contradict(sample, rng, part.options))
