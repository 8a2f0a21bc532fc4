"""Shares encoders that train in full among processes, so that none holds all of one at a time.

Each process keeps an equal part of every weight, of its gradient and of its moments; a block is
whole only while it runs (fully sharded data parallel, Zhao et al., arXiv 2304.11277, by torch's
`fully_shard`). Gradients are summed over processes, as everywhere in training here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace

import torch
from torch import nn
from torch.utils import _pytree

from pipelines.align import Demand
from pipelines.encode import Crew
from pipelines.parts import whole
from pipelines.placement import sent
from pipelines.towers import Tower
from workbench.encoder import Encoder, Features
from workbench.errors import Refusal

NEED_WHOLE = frozenset({"ema", "contrary"})
"""Needs that an encoder in parts cannot serve."""


@contextmanager
def sharded(crew: Crew, demand: Demand) -> Iterator[Crew]:
    """Yield a crew whose fully trained encoders are in parts; in the end the crew's own are set.

    While the parts train, the crew's own encoders wait on the CPU. A process alone, and encoders
    of which some weights stand still, are left as they are.

    Args:
        crew: whose towers to train; every process enters and leaves together.
        demand: what the objective needs.

    Raises:
        Refusal: the objective averages towers or encodes contrary texts, which parts cannot.
    """
    if other := sorted(demand.needs & NEED_WHOLE):
        raise Refusal("E-CFG-013", file="pipeline", field="align.shard", found="true",
                      expected=f"false, as this objective needs {', '.join(other)}")  # fmt: skip
    keys = [k for k, t in crew.towers.items() if _trains_whole(t.encoder)]
    if crew.processes.world == 1 or not keys:
        yield crew
        return
    device = crew.device
    parts = {key: ShardedTower(crew.towers[key]) for key in keys}
    for key in keys:
        sent(crew.towers[key].encoder, torch.device("cpu"))
    yield replace(crew, towers={**crew.towers, **parts})
    for key, part in parts.items():
        _gather_into(crew.towers[key].encoder, part.encoder)
        sent(crew.towers[key].encoder, device)


class ShardedTower(Tower):
    """A tower whose encoder is in parts; the projections are the tower's own."""

    in_parts = True

    def __init__(self, tower: Tower) -> None:
        nn.Module.__init__(self)
        self.encoder = _in_parts(deepcopy(tower.encoder))
        self.head, self.token_head = tower.head, tower.token_head


def _trains_whole(encoder: nn.Module) -> bool:
    return isinstance(encoder, Encoder) and all(p.requires_grad for p in encoder.parameters())


def _in_parts(encoder: nn.Module) -> nn.Module:
    """Cut an encoder block by block; what lies outside of its blocks is cut as one."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    _let_through()
    first = next(encoder.parameters())
    mesh = init_device_mesh(first.device.type, (torch.distributed.get_world_size(),))
    blocks = encoder.blocks() if isinstance(encoder, Encoder) else ()
    for module in (*blocks, encoder):
        fully_shard(module, mesh=mesh, reshard_after_forward=True)
    for module in encoder.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)  # a sum, not a mean
            module.set_force_sum_reduction_for_comms(True)  # gloo knows no scaled sum
    return encoder


def _let_through() -> None:
    """Tell torch where an encoder's features hold tensors, so that it sees their gradients."""
    if Features not in _pytree.SUPPORTED_NODES:
        _pytree.register_pytree_node(
            Features,
            lambda f: ([f.pooled, f.tokens, f.token_valid], None),
            lambda values, _: Features(*values),
        )


def _gather_into(encoder: nn.Module, parts: nn.Module) -> None:
    """Set an encoder's weights and buffers to those that were trained in parts."""
    wanted = {**dict(encoder.named_parameters()), **dict(encoder.named_buffers())}
    with torch.no_grad():
        for name, part in (*parts.named_parameters(), *parts.named_buffers()):
            wanted[name].copy_(whole(part))
