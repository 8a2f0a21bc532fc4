"""Cuts volumes into the cubes that lie under one token, and hides cubes for masked pretraining.

Legend: B batch, D B-scans, H depth, W width, T tokens, P voxels of a cube.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  torch's own name for it

from workbench.modality import Batch, Masked

Cube = tuple[int, int, int]
CUBE: Cube = (3, 16, 16)


def pad_to(values: Tensor, cube: Cube) -> Tensor:
    """Pad (B, 1, D, H, W) at the far ends to whole cubes: last B-scan repeated, zeros elsewhere."""
    missing = [-size % side for size, side in zip(values.shape[2:], cube, strict=True)]
    if missing[0]:
        last = values[:, :, -1:].expand(-1, -1, missing[0], -1, -1)
        values = torch.cat([values, last], dim=2)
    return F.pad(values, (0, missing[2], 0, missing[1])) if missing[1] or missing[2] else values


def cut(values: Tensor, cube: Cube) -> Tensor:
    """Return (B, T, P) of (B, 1, D, H, W), whose sides are whole cubes; tokens in order D, H, W."""
    B = values.shape[0]
    t, u, v = cube
    d, h, w = (size // side for size, side in zip(values.shape[2:], cube, strict=True))
    x = values.reshape(B, d, t, h, u, w, v).permute(0, 1, 3, 5, 2, 4, 6)
    return x.reshape(B, d * h * w, t * u * v)


def token_valid(batch: Batch, cube: Cube) -> Tensor | None:
    """Return (B, T) bool: a cube is real when any of its voxels is; None when all are."""
    if batch.valid is None:
        return None
    valid = batch.valid.expand_as(batch.values)
    missing = [-size % side for size, side in zip(valid.shape[2:], cube, strict=True)]
    valid = F.pad(valid, (0, missing[2], 0, missing[1], 0, missing[0]))
    return cut(valid, cube).any(dim=-1)


def hide(batch: Batch, rng: np.random.Generator, ratio: float) -> Masked:
    """Set about `ratio` of the 3 x 16 x 16 cubes of each volume to zero.

    The same number of cubes is hidden in every volume. Voxels that are not valid are never counted
    as hidden, so that no loss is taken on padding.
    """
    B, _, D, H, W = batch.values.shape
    grid = [-(-size // side) for size, side in zip((D, H, W), CUBE, strict=True)]
    total = grid[0] * grid[1] * grid[2]
    order = np.argsort(rng.random((B, total)), axis=1)
    chosen = np.zeros((B, total), dtype=bool)
    np.put_along_axis(chosen, order[:, : max(1, round(ratio * total))], True, axis=1)
    hidden = torch.from_numpy(chosen.reshape(B, 1, *grid)).to(batch.values.device)
    for axis, side in enumerate(CUBE, start=2):
        hidden = hidden.repeat_interleave(side, dim=axis)
    hidden = hidden[:, :, :D, :H, :W]
    seen = batch.values.masked_fill(hidden, 0.0)
    if batch.valid is not None:
        hidden = hidden & batch.valid
    return Masked(Batch(seen, batch.valid), target=batch.values, hidden=hidden)
