"""Tensors of which every process may hold a part: made whole, cut again, clipped by one norm."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor with the parts of all processes, who all ask for it; others as they are."""
    full: Tensor = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full


def part_like(full: Tensor, like: Tensor) -> Tensor:
    """Return this process's part of a tensor, where the other is in parts; else all of it.

    What is in parts already stays as it is. The result is on the other's device.
    """
    if isinstance(full, DTensor):
        return full
    here = full.to(like.device)
    if not isinstance(like, DTensor):
        return here
    part: Tensor = distribute_tensor(here, like.device_mesh, like.placements, src_data_rank=None)
    return part


def clipped(parameters: Iterable[nn.Parameter], bound: float) -> Tensor:
    """Scale gradients to a largest common norm, whether in parts or whole, and return that norm."""
    known = [p for p in parameters if p.grad is not None]
    if not any(isinstance(p.grad, DTensor) for p in known):
        plain: Tensor = nn.utils.clip_grad_norm_(known, bound)
        return plain
    kinds = ([p for p in known if isinstance(p.grad, DTensor) is kind] for kind in (True, False))
    lengths = [whole(nn.utils.get_total_norm([p.grad for p in kind if p.grad is not None]))
               for kind in kinds]  # fmt: skip
    norm: Tensor = torch.linalg.vector_norm(torch.stack(lengths))
    scale = (bound / (norm + 1e-6)).clamp(max=1.0)
    for parameter in known:
        grad = parameter.grad
        local = grad.to_local() if isinstance(grad, DTensor) else grad
        if local is not None:
            local.mul_(scale)
    return norm
