"""Stacks barcodes into padded batches, whose runs of bases it can hide for pretraining."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from modalities.dna.alphabet import CLASSES, HIDDEN, UNKNOWN
from workbench.modality import Batch, Masked, Sample

RUN = 4
"""Bases hidden together: one 4-mer of BarcodeBERT."""


def stack(samples: Sequence[Sample], *, length: int) -> Batch:
    """Pad with N to `length`, trim the right end of what is longer.

    Returns:
        values (B, length) int64 base codes 0..4, valid (B, length) bool, False for padding.
    """
    values = np.full((len(samples), length), UNKNOWN, dtype=np.int64)
    valid = np.zeros((len(samples), length), dtype=np.bool_)
    for row, sample in enumerate(samples):
        kept = sample.data[:length]
        values[row, : len(kept)] = kept
        valid[row, : len(kept)] = True
    return Batch(torch.from_numpy(values), torch.from_numpy(valid))


def hide_runs(batch: Batch, rng: np.random.Generator, ratio: float) -> Masked:
    """Hide a share of aligned runs of four bases; the hidden bases become code 5.

    Runs start at multiples of four, as BarcodeBERT's tokens do. Only bases that are known count as
    hidden: nothing is learnt from padding or N. Every row with a known base hides at least one run.
    """
    values = batch.values
    rows, length = values.shape
    known = values.numpy() < UNKNOWN
    runs = -(-length // RUN)
    padded = np.zeros((rows, runs * RUN), dtype=np.bool_)
    padded[:, :length] = known
    usable = padded.reshape(rows, runs, RUN).any(axis=-1)
    order = np.where(usable, rng.random((rows, runs)), 2.0)
    quota = np.maximum(np.rint(usable.sum(axis=1) * ratio), 1)
    rank = order.argsort(axis=1).argsort(axis=1)
    chosen = (rank < quota[:, None]) & usable
    hidden = np.repeat(chosen, RUN, axis=1)[:, :length] & known
    hidden_t = torch.from_numpy(hidden)
    seen = values.masked_fill(hidden_t, HIDDEN)
    return Masked(Batch(seen, batch.valid), values, hidden_t, classes=CLASSES)
