"""The float32 matrix product that ranking and training share: the fastest engine that rounds as float32.

On many processors oneDNN multiplies two to three times as fast as `torch.mm` at the same
precision. Its operators are private to torch, so they are used only where they exist and answer a
self-check; otherwise `torch.mm` does the work. The choice never depends on a stopwatch: the same
machine always takes the same engine. Legend: Q left rows, C right rows, E width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from eval.scores.cosine import Cosine

if TYPE_CHECKING:
    from torch import Tensor

OPERATORS = ("_linear_pointwise", "_reorder_linear_weight")
CHECKED = ((3, 5, 1), (33, 70, 96), (64, 130, 512), (8, 16, 1024))  # (Q, C, E) of the self-check


@dataclass(frozen=True)
class Packed:
    """A right-hand side laid out for repeated products.

    Attributes:
        rows: (C, E) the tensor itself, or oneDNN's own layout of it.
        shape: (C, E).
        engine: "onednn" or "torch".
    """

    rows: Tensor
    shape: tuple[int, int]
    engine: str


def pack(right: Tensor) -> Packed:
    """Lay out (C, E) vectors once, to be multiplied by many left-hand sides.

    The result is a copy under oneDNN and may be a view under torch: pack again after a change.
    Tensors that are not float32 on the processor, and empty ones, always take torch.
    """
    return _pack(right.detach(), _engine_for(right))


def product(left: Tensor, right: Packed) -> Tensor:
    """Return left @ right.T, (Q, C) of (Q, E) with packed (C, E), never below the precision given.

    No gradient flows and autocast is ignored: training that needs gradients writes its own
    backward, which is two more products.

    Raises:
        ValueError: the widths differ.
    """
    if left.dim() != 2 or left.shape[1] != right.shape[1]:
        raise ValueError(f"left has {tuple(left.shape)}, expected (Q, {right.shape[1]})")
    return _product(left.detach(), right)


@cache
def engine_name() -> str:
    """Return "onednn" where its operators exist and keep float32 precision here, else "torch"."""
    return "onednn" if _available() and keeps_precision("onednn") else "torch"


def keeps_precision(engine: str) -> bool:
    """Return whether an engine's products lie within the slack that the cosine score promises.

    A processor or a setting that multiplies in bfloat16 or TF32 misses it a hundredfold.
    """
    import torch

    rng = np.random.default_rng(0)
    for queries, candidates, width in CHECKED:
        left, right = (
            Cosine().prepare(rng.standard_normal((n, width), np.float32))
            for n in (queries, candidates)
        )
        found = _product(torch.from_numpy(left), _pack(torch.from_numpy(right), engine))
        exact = left.astype(np.float64) @ right.astype(np.float64).T
        # the comparison is written so that a NaN fails it
        if not np.abs(found.numpy() - exact).max() <= Cosine().slack(width):
            return False
    return True


def _available() -> bool:
    """Return whether this build of torch has oneDNN and the two operators used here."""
    import torch

    return torch.backends.mkldnn.is_available() and all(  # type: ignore[no-untyped-call]
        hasattr(torch.ops.mkldnn, name) for name in OPERATORS
    )


def _engine_for(right: Tensor) -> str:
    import torch

    ordinary = right.device.type == "cpu" and right.dtype == torch.float32 and right.numel() > 0
    return engine_name() if ordinary else "torch"


def _pack(right: Tensor, engine: str) -> Packed:
    shape = (right.shape[0], right.shape[1])
    return Packed(_operator(1)(right.contiguous()) if engine == "onednn" else right, shape, engine)


def _product(left: Tensor, right: Packed) -> Tensor:
    import torch

    if right.engine == "onednn" and len(left):
        return torch.as_tensor(_operator(0)(left.contiguous(), right.rows, None, "none", [], ""))
    with torch.autocast(device_type=left.device.type, enabled=False):
        rows = right.rows.to_dense() if right.rows.is_mkldnn else right.rows
        return left @ rows.T


def _operator(place: int) -> Any:
    import torch

    return getattr(torch.ops.mkldnn, OPERATORS[place])
