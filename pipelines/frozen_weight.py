"""Products with a weight that never changes, laid out once, without a gradient of its own.

Legend: M rows (all axes but the last), I inputs, O outputs, r rank of the adapter.
"""

from __future__ import annotations

import weakref
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Engine = Literal["onednn", "torch", "bf16"]


class FrozenWeight:
    """A frozen linear layer as an engine wants it: (O, I) for outputs, (I, O) for gradients.

    Args:
        layer: the layer; its weight is read, never changed.
        engine: "onednn" multiplies float32 in oneDNN's own layout, "torch" float32 as it is, "bf16"
            in bfloat16.
        rounded: what rounds inputs to bfloat16 under "bf16"; layers may share one.
    """

    def __init__(self, layer: nn.Linear, engine: Engine, rounded: Rounded | None = None) -> None:
        self.layer, self.engine, self.rounded = layer, engine, rounded
        self.version = -1
        self.there: Any = None
        self.back: Any = None
        self.bias: Tensor | None = None

    @property
    def dtype(self) -> torch.dtype:
        """What products are computed in."""
        return torch.bfloat16 if self.engine == "bf16" else torch.float32

    def usable(self, x: Tensor) -> bool:
        """Whether this engine can stand in for the layer on this input."""
        weight, ordinary = self.layer.weight, x.dtype in (torch.float32, torch.bfloat16)
        if weight.requires_grad or not ordinary or x.numel() == 0:
            return False
        if self.engine == "bf16":
            return True
        plain = x.dtype == torch.float32 and not torch.is_autocast_enabled(x.device.type)
        return plain and (self.engine == "torch" or x.device.type == "cpu")

    def input(self, x: Tensor) -> Tensor:
        """Return the input as this engine multiplies it, with a gradient of its own."""
        return x if self.rounded is None else self.rounded(x)

    def product(self, x_MI: Tensor) -> Tensor:
        """Return (M, O), the bias added, of a matrix of this engine's dtype."""
        self._lay_out()
        if self.engine == "onednn":
            return _pointwise(x_MI, self.there, self.bias)
        return nn.functional.linear(x_MI, self.there, self.bias)

    def gradient(self, g_MO: Tensor) -> Tensor:
        """Return (M, I), the gradient of the input from that of the output."""
        self._lay_out()
        return _pointwise(g_MO, self.back, None) if self.engine == "onednn" else g_MO @ self.there

    def _lay_out(self) -> None:
        """Lay the weight out, once, or anew when it was changed in place or moved."""
        weight = self.layer.weight.detach()
        now = hash((weight.data_ptr(), self.layer.weight._version, weight.device))
        if now == self.version:
            return
        self.bias = None if self.layer.bias is None else self.layer.bias.detach().to(self.dtype)
        if self.engine == "onednn":
            self.there, self.back = _reorder(weight), _reorder(weight.t().contiguous())
        else:
            self.there = weight.to(self.dtype)
        self.version = now


class Rounded:
    """The last tensor rounded to bfloat16, for layers that read one input, as query and value do.

    They then share one rounding on the way there, and on the way back their gradients meet in
    bfloat16 and are widened once.
    """

    def __init__(self) -> None:
        self.last: tuple[weakref.ref[Tensor], int, bool] | None = None
        self.rounded: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Return the tensor in bfloat16; forgets it when the tensor itself is let go."""
        if x.dtype == torch.bfloat16:
            return x
        state = (x._version, torch.is_grad_enabled())
        if self.rounded is None or self.last is None or self.last[0]() is not x:
            known = False
        else:
            known = self.last[1:] == state
        if not known:
            self.rounded = x.to(torch.bfloat16)
            self.last = (weakref.ref(x, self._forget), *state)
        found: Any = self.rounded
        return found  # type: ignore[no-any-return]

    def _forget(self, gone: object) -> None:
        if self.last is not None and self.last[0] is gone:
            self.last = self.rounded = None


def frozen_product(x: Tensor, weight: FrozenWeight) -> Tensor:
    """Return (..., O), in the engine's dtype, of (..., I); only the weight is kept for the way back."""
    out: Tensor = _Frozen.apply(x, weight)  # type: ignore[no-untyped-call]
    return out


def adapted_product(
    x: Tensor, adapter: tuple[Tensor, Tensor], weight: FrozenWeight, *,
    dropped: Tensor | None, scale: float,
) -> Tensor:  # fmt: skip
    """Return W x + b + scale * B A x, (..., O), in the engine's dtype, as one operation.

    Args:
        x: (..., I).
        adapter: A (r, I) and B (O, r), which train.
        weight: W and b, which do not.
        dropped: what the adapter sees instead of `x`, where it drops out.
        scale: alpha / r.
    """
    out: Tensor = _Adapted.apply(x, dropped, *adapter, weight, scale)  # type: ignore[no-untyped-call]
    return out


class _Frozen(torch.autograd.Function):
    """W x + b with a gradient for x alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: FrozenWeight) -> Tensor:
        ctx.weight, ctx.dtype = weight, x.dtype
        with torch.autocast(x.device.type, enabled=False):
            y = weight.product(_rows(x, weight.dtype))
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        back = ctx.weight.gradient(_rows(g, ctx.weight.dtype))
        return back.view(*g.shape[:-1], -1).to(ctx.dtype), None


class _Adapted(torch.autograd.Function):
    """W x + b + scale * B A x with gradients for x, A and B.

    With u = A x: the gradient of B is scale * g' u, that of u is scale * g B, that of A is the
    latter's product with x, and that of x is g W + (scale * g B) A.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, dropped: Tensor | None, down: Tensor, up: Tensor,
        weight: FrozenWeight, scale: float,
    ) -> Tensor:  # fmt: skip
        ctx.weight, ctx.scale, ctx.dtype, ctx.shape = weight, scale, x.dtype, x.shape
        with torch.autocast(x.device.type, enabled=False):
            x_MI = _rows(x, weight.dtype)
            seen_MI = x_MI if dropped is None else _rows(dropped, weight.dtype)
            A, B = down.to(weight.dtype), up.to(weight.dtype)
            u_Mr = seen_MI @ A.t()
            y = weight.product(x_MI).addmm_(u_Mr, B.t(), alpha=scale)
        ctx.apart = dropped is not None
        ctx.save_for_backward(seen_MI, u_Mr, down, up)
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        seen_MI, u_Mr, down, up = ctx.saved_tensors
        weight, wants = ctx.weight, ctx.needs_input_grad
        g_MO = _rows(g, weight.dtype)
        A, B = down.to(weight.dtype), up.to(weight.dtype)
        gu_Mr = (g_MO @ B).mul_(ctx.scale)
        gA = (gu_Mr.t() @ seen_MI).to(down.dtype) if wants[2] else None
        gB = (g_MO.t() @ u_Mr).mul_(ctx.scale).to(up.dtype) if wants[3] else None
        gx = gseen = None
        if wants[0]:
            gx = weight.gradient(g_MO)
            gx = gx if ctx.apart else gx.addmm_(gu_Mr, A)
            gx = gx.view(ctx.shape).to(ctx.dtype)
        if ctx.apart and wants[1]:
            gseen = (gu_Mr @ A).view(ctx.shape).to(ctx.dtype)
        return gx, gseen, gA, gB, None, None


def _rows(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return (M, I) of (..., I), contiguous, in a dtype."""
    return x.reshape(-1, x.shape[-1]).to(dtype).contiguous()


def _reorder(weight: Tensor) -> Any:
    return torch.ops.mkldnn._reorder_linear_weight(weight)


def _pointwise(x: Tensor, weight: Any, bias: Tensor | None) -> Tensor:
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return out
