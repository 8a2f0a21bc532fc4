"""Stacks token ids into batches, hides some of them for masked pretraining."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modalities.report.options import ReportOptions
from modalities.report.tokens import MASK, PAD, vocabulary_size
from workbench.errors import Failure
from workbench.modality import Batch, Masked, Sample

# chance that a hidden token takes the one after it along: pieces of one word are hidden together
_RUN = 0.3


def stack(samples: Sequence[Sample], options: ReportOptions) -> Batch:
    """Return (B, T) ids padded at the end to the longest of the batch, with their mask."""
    import torch

    length = max(len(sample.data) for sample in samples)
    values = np.full((len(samples), length), PAD, dtype=np.int64)
    valid = np.zeros((len(samples), length), dtype=np.bool_)
    for row, sample in enumerate(samples):
        values[row, : len(sample.data)] = sample.data
        valid[row, : len(sample.data)] = True
    return Batch(torch.from_numpy(values), torch.from_numpy(valid))


def hide(batch: Batch, rng: np.random.Generator, options: ReportOptions, *, ratio: float) -> Masked:
    """Replace about `ratio` of the real tokens, at least one per row, by the mask id.

    Raises:
        Failure: ids past the vocabulary of the options.
    """
    import torch

    vocabulary = vocabulary_size(options)
    if int(batch.values.max()) >= vocabulary:
        raise Failure(
            f"token ids reach {int(batch.values.max())}, past the vocabulary of {vocabulary}; "
            "mask a batch with the options that it was collated with"
        )
    shape = tuple(batch.values.shape)
    valid = np.ones(shape, dtype=np.bool_) if batch.valid is None else batch.valid.cpu().numpy()
    chance = rng.random(shape)
    hidden = (chance < ratio / (1 + _RUN * (1 - ratio))) & valid
    follow = np.zeros(shape, dtype=np.bool_)
    follow[:, 1:] = hidden[:, :-1] & (rng.random((shape[0], shape[1] - 1)) < _RUN)
    hidden |= follow & valid
    for row in np.flatnonzero(valid.any(axis=1) & ~hidden.any(axis=1)):
        hidden[row, np.where(valid[row], chance[row], np.inf).argmin()] = True
    mask = torch.from_numpy(hidden).to(batch.values.device)
    seen = Batch(batch.values.masked_fill(mask, MASK), batch.valid)
    return Masked(batch=seen, target=batch.values, hidden=mask, classes=vocabulary)
