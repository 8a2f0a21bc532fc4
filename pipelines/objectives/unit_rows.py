"""Unit vectors of one side made a tile at a time, beside the sum of the gradients they are given.

Neither a copy of the side at length one nor a gradient with respect to it is ever held: the one
buffer adds up the latter and is turned in place into the gradient of the vectors as they came.
Legend: B rows of the side, n used rows, D width, r rows of a tile.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from eval.scores.base import wide
from eval.scores.engine import Packed, pack, product
from eval.scores.pooled import pooled
from eval.scores.side import Side

LEAST = 1e-12
"""Length below which a vector counts as zero, as in `torch.nn.functional.normalize`."""

NARROW = ("DEFAULT", "AVX2")
"""Widest instructions of processors on which one matrix library is as fast as the other."""

CHUNK = 1024
"""Rows that are worked on at a time."""


class UnitRows:
    """The used rows of one side, numbered from 0.

    Args:
        raw: (B, D) vectors of any length.
        used: (B,) bool, rows that may count.
        whole: True to number all B rows and to hold those that are not used at zero.
    """

    def __init__(self, raw: Tensor, used: Tensor, *, whole: bool = False) -> None:
        self.raw = raw.detach()
        self.rows = None if whole or bool(used.all()) else used.nonzero()[:, 0]
        kind = torch.float64 if raw.dtype == torch.float64 else torch.float32
        inverse = (
            torch.linalg.vector_norm(self.raw, dim=1, dtype=kind).clamp_min(LEAST).reciprocal()
        )
        self.inverse = inverse * used if self.rows is None else inverse[self.rows]
        self.slope: Tensor | None = None

    def __len__(self) -> int:
        return len(self.inverse)

    def at(self, part: slice | Tensor) -> Tensor:
        """Return the (r, D) unit vectors of some of the rows."""
        chosen = self.raw[part if self.rows is None else self.rows[part]]
        found: Tensor = wide(chosen) * self.inverse[part, None]
        return found

    def weighted(self, weights: Tensor) -> Tensor:
        """Return the (D,) sum of all unit vectors, each times its weight."""
        total: Tensor = self.inverse.new_zeros(self.raw.shape[1])
        for part in tiles(slice(0, len(self)), CHUNK):
            total += weights[part] @ self.at(part)
        return total

    def collect(self) -> None:
        """Begin to add up gradients."""
        self.slope = self.inverse.new_zeros(self.raw.shape)

    def add(self, part: slice | Tensor, slopes: Tensor) -> None:
        """Add (r, D) gradients with respect to some rows; nothing unless they are collected."""
        if self.slope is None:
            return
        if isinstance(part, slice) and self.rows is None:
            self.slope[part] += slopes
        else:
            places = (
                torch.arange(len(self), device=self.raw.device) if self.rows is None else self.rows
            )
            self.slope.index_add_(0, places[part], slopes)

    def add_product(self, part: slice, left: Tensor, right: Packed) -> None:
        """Add left @ right.T to the gradients of some rows, without a copy where that is possible."""
        if self.slope is not None and self.rows is None and right.engine == "torch":
            self.slope[part].addmm_(left, right.rows.T)
        else:
            self.add(part, product(left, right))

    def finish(self, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Turn what was collected into the (B, D) gradient of the raw vectors.

        Args:
            scale: scalar that every gradient is still to be multiplied with.

        Returns:
            The gradient, and the float64 sum of the products of unit vectors and their gradients
            before the scale: what the loss changes by when all cosines grow alike.
        """
        slope, total = self.slope, torch.zeros((), dtype=torch.float64, device=self.raw.device)
        if slope is None:
            raise ValueError("no gradients were collected")
        for part in tiles(slice(0, len(self)), CHUNK):
            here = part if self.rows is None else self.rows[part]
            unit, found = self.at(part), slope[here]
            along = (unit * found).sum(1)
            total += along.sum(dtype=torch.float64)
            slope[here] = (found - unit * along[:, None]) * (scale * self.inverse[part])[:, None]
        self.slope = None
        return slope.to(self.raw.dtype), total


def laid_out(right: Tensor) -> Packed:
    """Lay out (r, D) vectors as the right-hand side of products that are added up.

    oneDNN multiplies faster where it has wider instructions than the other library; where AVX2 is
    the widest both are equally fast, and `torch.addmm` needs neither a layout nor a result of its
    own.
    """
    if right.device.type == "cpu" and torch.backends.cpu.get_cpu_capability() in NARROW:
        return Packed(right, (right.shape[0], right.shape[1]), "torch")
    return pack(right)


def raw_vectors(side: Side) -> Tensor:
    """Return (B, D) vectors whose direction is what a side is compared by.

    The vectors of its one modality as they are; of several, their mean at length one.
    """
    return next(iter(side.vectors.values())) if len(side.vectors) == 1 else pooled(side)


def tiles(whole: slice, size: int) -> Iterator[slice]:
    """Yield consecutive parts of a range."""
    for start in range(whole.start, whole.stop, size):
        yield slice(start, min(start + size, whole.stop))
