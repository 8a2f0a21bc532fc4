"""Tensors that meet across processes: rows gathered with their gradient, gradients summed.

Legend: B rows of the whole batch, b rows of one process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

BUCKET_BYTES = 25 << 20
"""Gradients travel together until they hold so many bytes."""


class Gather(torch.autograd.Function):
    """(b, ...) of every process to (B, ...) on every process, several tensors in one node.

    One node for all of them makes the order in which gradients meet the same everywhere. Its first
    tensor is an anchor that needs a gradient, so that a process whose own rows need none takes
    part all the same.
    """

    @staticmethod
    def forward(
        ctx: Any, rank: int, counts: Sequence[Sequence[int]], anchor: Tensor, *parts: Tensor
    ) -> tuple[Tensor, ...]:
        """Return each tensor with the rows of all processes, in the order of their ranks."""
        del anchor
        ctx.rank, ctx.counts = rank, counts
        ctx.set_materialize_grads(False)
        whole = tuple(_gathered(x, n) for x, n in zip(parts, counts, strict=True))
        ctx.empty = [x.new_empty(0) for x in parts]
        ctx.shapes = [x.shape for x in whole]
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Sum the gradient over processes, and keep that of the own rows; None where all lack it."""
        known = _known_somewhere([g is not None for g in gradients])
        kept: list[Tensor | None] = []
        for at, gradient in enumerate(gradients):
            kept.append(None)
            if known[at]:
                whole = ctx.empty[at].new_zeros(ctx.shapes[at]) if gradient is None else gradient
                whole = whole.contiguous()
                dist.all_reduce(whole)
                first = sum(ctx.counts[at][: ctx.rank])
                kept[at] = whole[first : first + ctx.counts[at][ctx.rank]]
        return None, None, None, *kept


class Tie(torch.autograd.Function):
    """A loss that every gathered tensor belongs to, even one that this process did not use.

    Without it, a process whose share of the rows has no term would not answer when the others sum
    their gradients.
    """

    @staticmethod
    def forward(ctx: Any, loss: Tensor, *gathered: Tensor) -> Tensor:
        """Return the loss unchanged."""
        ctx.count = len(gathered)
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the loss's own gradient; the rest is called upon, but given none."""
        return gradients[0], *([None] * ctx.count)


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace gradients by their sum over processes; where no process has one, none appears.

    Args:
        parameters: the same ones in the same order on every process. What is in parts is left
            out: its gradient was summed as it came to be.
    """
    mine = [p for p in parameters if not isinstance(p, DTensor)]
    if not mine:
        return
    known = _known_somewhere([p.grad is not None for p in mine])
    wanted = [p for p, has in zip(mine, known, strict=True) if has]
    for bucket in _buckets(wanted):
        flat = torch.cat([_gradient(p).reshape(-1) for p in bucket])
        dist.all_reduce(flat)
        for one, part in zip(bucket, torch.split(flat, [p.numel() for p in bucket]), strict=True):
            one.grad = part.view_as(one)


def _known_somewhere(mine: Sequence[bool]) -> list[bool]:
    """Return what is known to at least one process."""
    known = torch.tensor(mine, dtype=torch.int32)
    dist.all_reduce(known, op=dist.ReduceOp.MAX)
    return [bool(k) for k in known.tolist()]


def _gathered(x: Tensor, counts: Sequence[int]) -> Tensor:
    """Return the rows of all processes; shares are filled up to the largest to travel."""
    sent = x.to(torch.uint8) if x.dtype == torch.bool else x
    filled = sent.new_zeros((max(counts), *sent.shape[1:]))
    filled[: len(sent)] = sent
    found = [torch.empty_like(filled) for _ in counts]
    dist.all_gather(found, filled)
    return torch.cat([f[:n] for f, n in zip(found, counts, strict=True)]).to(x.dtype)


def _gradient(one: nn.Parameter) -> Tensor:
    return torch.zeros_like(one) if one.grad is None else one.grad


def _buckets(parameters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Yield parameters in their order, cut where type or device changes or a bucket is full."""
    bucket: list[nn.Parameter] = []
    held = 0
    for one in parameters:
        size = one.numel() * one.element_size()
        other = bucket and (bucket[0].dtype, bucket[0].device) != (one.dtype, one.device)
        if bucket and (other or held + size > BUCKET_BYTES):
            yield bucket
            bucket, held = [], 0
        bucket.append(one)
        held += size
    if bucket:
        yield bucket
