"""Training views of ECG samples: what may vary without changing the diagnosis, and what may be hidden."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from workbench.modality import Batch, Masked, Sample

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEGMENTS = 50
_SHIFT_SHARE = 0.1
_DROP_CHANCE, _DROP_MOST = 0.2, 3
_ALL_LEADS_SHARE = 0.8


def vary(sample: Sample, rng: np.random.Generator) -> Sample:
    """Return a view with another gain, start, noise and perhaps fewer leads.

    One gain for all leads (0.8 to 1.25), because the ratio between leads is the electrical axis; a shift
    by up to 10 % of the window, the part shifted in masked; noise and baseline wander of up to 5 % of the
    record's spread; with chance 0.2, one to three leads dropped (masked). No time reversal, no lead
    swap, no sign change and no time warp: each would be another diagnosis.
    """
    data = np.asarray(sample.data, np.float32)
    valid = np.ones(data.shape, np.bool_) if sample.valid is None else sample.valid.copy()
    leads, length = data.shape
    spread = float(data.std())
    noise = rng.normal(0, rng.uniform(0, 0.05) * spread, data.shape)
    phase = 2 * np.pi * (rng.uniform(0.5, 4) * np.arange(length) / length + rng.uniform())
    wander = rng.normal(0, 0.05 * spread, (leads, 1)) * np.sin(phase)
    data = data * float(np.exp(rng.uniform(np.log(0.8), np.log(1.25)))) + noise + wander
    shift = int(rng.integers(-int(_SHIFT_SHARE * length), int(_SHIFT_SHARE * length) + 1))
    data, valid = np.roll(data, shift, axis=1), np.roll(valid, shift, axis=1)
    valid[:, _rolled_in(shift, length)] = False
    if rng.random() < _DROP_CHANCE:
        valid[rng.choice(leads, int(rng.integers(1, _DROP_MOST + 1)), replace=False)] = False
    return replace(sample, data=np.where(valid, data, 0).astype(np.float32), valid=valid)


def _rolled_in(shift: int, length: int) -> slice:
    """Return the samples that came in from the other end."""
    return slice(0, shift) if shift >= 0 else slice(length + shift, length)


def hide(batch: Batch, rng: np.random.Generator, ratio: float) -> Masked:
    """Hide lead x time segments, each a fiftieth of the window (0.2 s of 10 s).

    Four fifths of what is hidden is hidden in all leads at once, because a limb lead can be computed from
    two others; the rest lead by lead. Padding and missing leads are never hidden.
    """
    import torch

    rows, leads, length = batch.values.shape
    share = min(max(ratio, 0.0), 1.0)
    together = share * _ALL_LEADS_SHARE
    alone = (share - together) / max(1e-9, 1.0 - together)
    grid = rng.random((rows, 1, SEGMENTS)) < together
    grid = grid | (rng.random((rows, leads, SEGMENTS)) < alone)
    place = np.arange(length) * SEGMENTS // length
    hidden = torch.from_numpy(grid[:, :, place]).to(batch.values.device)
    if batch.valid is not None:
        hidden = hidden & batch.valid
    shown = Batch(batch.values.masked_fill(hidden, 0.0), batch.valid)
    return Masked(shown, batch.values, hidden)


def stack(samples: list[Sample]) -> Batch:
    """Stack samples of one length; the mask is always there, so that no sample depends on its mates."""
    import torch

    values = np.stack([np.asarray(sample.data, np.float32) for sample in samples])
    valid = np.stack(
        [
            np.ones(sample.data.shape, np.bool_) if sample.valid is None
            else np.broadcast_to(sample.valid, sample.data.shape)
            for sample in samples
        ]
    )  # fmt: skip
    return Batch(torch.from_numpy(values), torch.from_numpy(valid))


def draw(sample: Sample, names: tuple[str, ...]) -> Figure:
    """Draw the leads as two columns of traces; missing parts stay empty."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3, 2), dpi=150)
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.96))
    data = np.asarray(sample.data, np.float64)
    if sample.valid is not None:
        data = np.where(sample.valid, data, np.nan)
    known = data[np.isfinite(data)]
    step = 4 * float(known.std()) + 1e-6 if known.size else 1.0
    length = data.shape[1]
    for row, (lead, trace) in enumerate(zip(names, data, strict=True)):
        column, level = divmod(row, 6)
        time = np.linspace(column * 1.05, column * 1.05 + 1, length)
        middle = np.nanmedian(trace) if np.isfinite(trace).any() else 0.0
        axes.plot(time, trace - middle - level * step, linewidth=0.4, color="black")
        axes.text(column * 1.05, -level * step + 0.3 * step, lead, fontsize=4, color="firebrick")
    axes.set_ylim(-5.8 * step, 0.9 * step)
    axes.set_axis_off()
    return figure
