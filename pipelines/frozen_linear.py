"""Multiplies by frozen weights faster than torch and peft do, and leaves the modules as they are.

A weight that never changes can be laid out once for the processor, and what is needed for its
gradient need not be kept. `faster` gives the frozen linear layers of a module, and the low-rank
adapters around them, other `forward` functions for a while: the module tree, the parameters and
their names stay, so optimisers, checkpoints and digests see no difference.

Legend: M rows (all axes but the last), I inputs, O outputs, r rank of the adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

import torch
from torch import Tensor, nn

from eval.scores.engine import engine_name
from pipelines.frozen_weight import Engine, FrozenWeight, Rounded, adapted_product, frozen_product

if TYPE_CHECKING:
    from peft.tuners.lora.layer import Linear as LoraLinear


@dataclass(frozen=True)
class Swap:
    """What `faster` found to replace.

    Attributes:
        frozen: number of frozen linear layers that run otherwise, those under adapters included.
        adapters: how many of them carry a low-rank adapter that is now one operation with them.
        engine: what multiplies: "onednn" and "torch" in float32, "bf16" in bfloat16.
    """

    frozen: int
    adapters: int
    engine: Engine

    def describe(self) -> str:
        """Return the swap in words, for the log."""
        return f"{self.frozen} frozen linear layers ({self.adapters} adapted) run on {self.engine}"


@contextmanager
def faster(
    module: nn.Module, *, precision: Literal["fp32", "bf16"], engine: Engine | None = None
) -> Iterator[Swap]:
    """Let the frozen linear layers of a module run faster until the context ends.

    In fp32 outputs and gradients agree with the plain ones to 1e-5. In bf16 they agree with
    autocast to bfloat16 rounding; the products are bfloat16 whether autocast is on or not, and
    adapters keep their float32 parameters. A layer whose weight comes to require a gradient, or is
    changed in place, is noticed and takes its plain way, or is laid out anew. The layouts cost up
    to three times the memory of the frozen weights.

    Args:
        module: an encoder, wrapped by peft or not; changed in place and restored.
        precision: what to multiply in.
        engine: instead of the one that suits this processor.
    """
    chosen = engine or choose_engine(precision)
    frozen: list[nn.Linear] = [m for m in module.modules() if _is_frozen(m)]
    adapters = [m for m in module.modules() if _is_plain_lora(m) and _is_frozen(m.base_layer)]
    if chosen == "torch":  # a bare layer would gain nothing
        frozen = [m.base_layer for m in adapters if isinstance(m.base_layer, nn.Linear)]
    rounded = Rounded() if chosen == "bf16" else None
    weights = {id(layer): FrozenWeight(layer, chosen, rounded) for layer in frozen}
    owners = {id(getattr(m, "base_layer", None)): m for m in module.modules()}
    changed: list[tuple[nn.Module, Callable[..., Any]]] = [
        *((m, _frozen_forward(m, weights[id(m)], owners.get(id(m)))) for m in frozen),
        *((m, _adapted_forward(m, weights[id(m.base_layer)])) for m in adapters),
    ]
    before = [vars(m).get("forward") for m, _ in changed]
    try:
        for one, forward in changed:
            vars(one)["forward"] = forward
        yield Swap(len(frozen), len(adapters), chosen)
    finally:
        for (one, _), own in zip(changed, before, strict=True):
            vars(one).pop("forward", None)
            if own is not None:
                vars(one)["forward"] = own


def choose_engine(precision: Literal["fp32", "bf16"]) -> Engine:
    """Return what multiplies here; the choice depends on the machine alone, never on a stopwatch.

    In float32 it is oneDNN on processors with AVX-512, where the library that `torch.mm` calls
    takes a slow path on some makes, and where oneDNN's private operators keep float32 precision.
    Elsewhere, `torch.mm` was measured to be as fast or faster.
    """
    if precision == "bf16":
        return "bf16"
    wide = torch.backends.cpu.get_cpu_capability() == "AVX512"
    return "onednn" if wide and engine_name() == "onednn" else "torch"


def _is_frozen(module: Any) -> TypeGuard[nn.Linear]:
    """Whether a module is an ordinary linear layer of which nothing trains."""
    if type(module) is not nn.Linear or module.weight.dtype != torch.float32:
        return False
    return not any(p.requires_grad for p in module.parameters())


def _is_plain_lora(module: nn.Module) -> TypeGuard[LoraLinear]:
    """Whether a module is peft's linear adapter in its original form (Hu et al., 2106.09685)."""
    from peft.tuners.lora.layer import Linear as LoraLinear

    if type(module) is not LoraLinear or len(module.lora_A) != 1:
        return False
    (name,) = module.lora_A
    ways: tuple[Any, Any] = module.lora_A[name], module.lora_B[name]
    plain = all(type(way) is nn.Linear and way.bias is None for way in ways)
    return plain and name not in module.lora_variant


def _frozen_forward(
    layer: nn.Module, weight: FrozenWeight, owner: Any = None
) -> Callable[[Tensor], Tensor]:
    """Return the layer's forward; while its adapter is merged into the weight, that is its own."""
    plain = layer.forward

    def forward(x: Tensor) -> Tensor:
        if getattr(owner, "merged", False) or not weight.usable(x):
            found: Tensor = plain(x)
            return found
        return frozen_product(weight.input(x), weight).to(_output_dtype(x))

    return forward


def _adapted_forward(adapter: LoraLinear, weight: FrozenWeight) -> Callable[..., Tensor]:
    """Return base and adapter as one operation; what peft's own way does otherwise stays its own."""
    plain = adapter.forward
    (name,) = adapter.lora_A
    down: Any = adapter.lora_A[name]
    up: Any = adapter.lora_B[name]

    def forward(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        on = not adapter.disable_adapters and not adapter.merged
        if args or kwargs or not on or adapter.active_adapters != [name] or not weight.usable(x):
            found: Tensor = plain(x, *args, **kwargs)
            return found
        dropout = adapter.lora_dropout[name]
        drops = isinstance(dropout, nn.Dropout) and dropout.training and dropout.p > 0
        dropped = dropout(x) if drops else None
        scale = float(adapter.scaling[name])
        low_rank = (down.weight, up.weight)
        y = adapted_product(weight.input(x), low_rank, weight, dropped=dropped, scale=scale)
        return y.to(_output_dtype(x))

    return forward


def _output_dtype(x: Tensor) -> torch.dtype:
    """Return what a linear layer gives: autocast's dtype where it is on, else the input's."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
