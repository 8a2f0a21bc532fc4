"""Batches, masking and preview of X-rays: what needs torch or matplotlib, imported when used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import Failure
from workbench.modality import Batch, Masked, Sample

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

_SMALL_PICTURE = 112


def collate(samples: Sequence[Sample]) -> Batch:
    """Return values (B, C, H, W) and a mask (B, 1, H, W), None when every pixel is picture.

    Raises:
        Failure: the samples differ in shape, so they were read with different options.
    """
    import torch

    shapes = {sample.data.shape for sample in samples}
    if len(shapes) != 1:
        raise Failure(f"X-rays of shapes {sorted(shapes)} cannot form one batch")
    values = torch.from_numpy(np.stack([sample.data for sample in samples]))
    if all(sample.valid is None for sample in samples):
        return Batch(values)
    whole = np.ones((1, *samples[0].data.shape[1:]), np.bool_)
    valid = np.stack([whole if sample.valid is None else sample.valid for sample in samples])
    return Batch(values, torch.from_numpy(valid))


def patch_side(size: int) -> int:
    """Return the side of the patches that masking hides, in pixels."""
    return 16 if size >= _SMALL_PICTURE else 8


def mask(batch: Batch, rng: np.random.Generator, ratio: float) -> Masked:
    """Hide about `ratio` of each picture's patches behind the mean of what stays visible.

    The same patches are hidden in every channel; padding is never a target.

    Args:
        batch: values (B, C, H, W).
        rng: source of the choice.
        ratio: share of patches to hide, 0..1.
    """
    import torch

    B, C, H, W = batch.values.shape
    side = patch_side(min(H, W))
    rows, columns = -(-H // side), -(-W // side)
    ranks = rng.random((B, rows * columns)).argsort(axis=1).argsort(axis=1)
    chosen = (ranks < round(ratio * rows * columns)).reshape(B, 1, rows, columns)
    pixels = chosen.repeat(side, axis=2).repeat(side, axis=3)[:, :, :H, :W]
    hidden = torch.from_numpy(pixels).to(batch.values.device).expand(B, C, H, W)
    real = torch.ones_like(hidden) if batch.valid is None else batch.valid.expand(B, C, H, W)
    seen = (real & ~hidden).to(batch.values.dtype)
    mean = (batch.values * seen).sum((2, 3), keepdim=True) / seen.sum(
        (2, 3), keepdim=True
    ).clamp_min(1)
    covered = torch.where(hidden, mean, batch.values)
    return Masked(Batch(covered, batch.valid), batch.values, hidden & real)


def token_valid(batch: Batch, side: int) -> Tensor | None:
    """Return which square patches hold any picture, (B, T), None when all do."""
    from torch.nn.functional import max_pool2d

    if batch.valid is None:
        return None
    valid = batch.valid.expand(-1, 1, *batch.values.shape[2:])
    return max_pool2d(valid.float(), side).flatten(1) > 0


def preview(sample: Sample) -> Figure:
    """Return a figure of the first channel, stretched to its own range."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.4, 2.4), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(sample.data[0], cmap="gray", interpolation="nearest")
    axes.set_axis_off()
    return figure
