"""How a tower is adapted: low-rank adapters by peft, all weights, none, or the last blocks."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from workbench.config import Adapt, Lora, LoraConfig, UnlockLast
from workbench.encoder import Encoder
from workbench.errors import Refusal

if TYPE_CHECKING:
    from peft import PeftModel


def adapted(encoder: Encoder, adapt: Adapt) -> nn.Module:
    """Return the encoder with exactly the parameters trainable that `adapt` names.

    For low-rank adapters the result is a `peft.PeftModel` around the encoder; the adapters start
    at zero, so its outputs equal the encoder's exactly.

    Raises:
        Refusal: no module matches the targets, or there are fewer blocks than to unlock.
    """
    encoder.requires_grad_(adapt == "full")
    if isinstance(adapt, Lora):
        return with_lora(encoder, adapt.lora)
    if isinstance(adapt, UnlockLast):
        blocks = encoder.blocks()
        if adapt.unlock_last > len(blocks):
            raise Refusal("E-CFG-011", file="pipeline", field="adapt.unlock_last",
                          found=adapt.unlock_last, expected=f"at most {len(blocks)} blocks")  # fmt: skip
        for block in blocks[-adapt.unlock_last :]:
            block.requires_grad_(True)
    return encoder


def with_lora(encoder: Encoder, config: LoraConfig) -> PeftModel:
    """Wrap an encoder's target modules with low-rank adapters; everything else is frozen.

    With `last: k`, peft gets the full names of those targets that lie in the last k blocks.

    Raises:
        Refusal: no module matches the targets, or there are fewer blocks than `last`.
    """
    import peft

    targets = list(config.targets or encoder.lora_targets)
    if config.last is not None:
        targets = _inside_last(encoder, targets, config.last)
    settings = peft.LoraConfig(
        r=config.rank, lora_alpha=config.alpha, lora_dropout=config.dropout, target_modules=targets
    )
    try:
        return peft.get_peft_model(encoder, settings)
    except ValueError as error:
        kinds = sorted({n.rpartition(".")[2] for n, m in encoder.named_modules() if _wrappable(m)})
        raise Refusal("E-CFG-013", file="pipeline", field="adapt.lora.targets", found=targets,
                      expected=f"modules among {kinds}", fix=str(error)[:120]) from None  # fmt: skip


def base_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the encoder's own tensors under their original names, adapters left out."""
    names = {}
    for name, tensor in module.state_dict().items():
        if ".lora_" in name or "lora_magnitude" in name:
            continue
        names[name.removeprefix("base_model.model.").replace(".base_layer.", ".")] = tensor
    return names


def tensor_digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 over (name, dtype, shape, bytes) of every tensor in name order."""
    hasher = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        hasher.update(repr((name, str(tensor.dtype), tuple(tensor.shape))).encode())
        hasher.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()


def counts(module: nn.Module) -> tuple[int, int]:
    """Return the numbers of trained and of all parameters."""
    sizes: list[tuple[int, Any]] = [(p.numel(), p.requires_grad) for p in module.parameters()]
    return sum(n for n, trained in sizes if trained), sum(n for n, _ in sizes)


def _inside_last(encoder: Encoder, targets: Sequence[str], last: int) -> list[str]:
    """Return the full names of the targets that lie in the last blocks, as peft matches targets."""
    blocks = encoder.blocks()
    if last > len(blocks):
        raise Refusal("E-CFG-011", file="pipeline", field="adapt.lora.last", found=last,
                      expected=f"at most {len(blocks)} blocks")  # fmt: skip
    inside = {id(module) for block in blocks[-last:] for module in block.modules()}
    named = {name: module for name, module in encoder.named_modules() if id(module) in inside}
    found = [n for n in named if any(n == t or n.endswith(f".{t}") for t in targets)]
    if not found:
        kinds = sorted({n.rpartition(".")[2] for n, m in named.items() if _wrappable(m)})
        raise Refusal("E-CFG-013", file="pipeline", field="adapt.lora.targets", found=list(targets),
                      expected=f"modules of the last {last} blocks, among {kinds}")  # fmt: skip
    return found


def _wrappable(module: nn.Module) -> bool:
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Embedding, nn.MultiheadAttention)
    return isinstance(module, kinds)
