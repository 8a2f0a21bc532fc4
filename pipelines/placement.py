"""Where a run computes, at which precision: everything that moves to a device is moved here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import nn

from workbench.errors import Refusal

Asked = Literal["auto", "cpu", "cuda"]
T = TypeVar("T")


@dataclass(frozen=True)
class Placement:
    """The device of this process, with the reason why it is that one."""

    device: torch.device
    why: str

    def describe(self, precisions: dict[str, str]) -> str:
        """Return device and the precision that each stage asked for, in words, for the log.

        Args:
            precisions: "auto", "fp32" or "bf16" by stage.
        """
        stages = [f"{k} in {precision(v, self.device)}" for k, v in precisions.items()]
        return f"on {self.device} ({self.why}); {', '.join(stages)}"


@dataclass(frozen=True)
class Precision:
    """What matrices are multiplied in, with the reason."""

    name: Literal["fp32", "bf16"]
    why: str

    def __str__(self) -> str:
        return f"{self.name} ({self.why})"


def placement(asked: Asked) -> Placement:
    """Return the device of this process, as asked for or as Accelerate finds it.

    Under torchrun every process of a machine has a GPU of its own. Only a CUDA device is taken
    by itself: others lack float64, which keyed draws need.

    Raises:
        Refusal: a GPU was asked for, and torch sees none.
    """
    if asked == "cpu":
        return Placement(torch.device("cpu"), "device: cpu")
    if asked == "cuda" and not torch.cuda.is_available():
        raise Refusal("E-CFG-013", file="pipeline", field="device", found="cuda",
                      expected="auto or cpu, as torch sees no GPU",
                      fix="`workbench doctor` says which build of torch this is.")  # fmt: skip
    from accelerate import PartialState

    found: torch.device = PartialState().device
    if found.type == "cuda":
        return Placement(found, torch.cuda.get_device_name(found))
    return Placement(torch.device("cpu"), "no GPU found")


def precision(asked: str, device: torch.device | str) -> Precision:
    """Return what a device multiplies in: as asked, or bfloat16 where it does so natively.

    Args:
        asked: "auto", "fp32" or "bf16".
        device: where.
    """
    kind = torch.device(device).type
    if kind == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = bool(torch.cpu._is_avx512_bf16_supported())
    who = "this GPU" if kind == "cuda" else "this processor"
    how = f"native on {who}" if native else f"{who} only emulates bfloat16"
    if asked == "bf16":
        return Precision("bf16", f"asked for; {how}")
    if asked == "fp32":
        return Precision("fp32", "asked for")
    return Precision("bf16" if native else "fp32", how)


def sent(value: T, device: torch.device) -> T:
    """Return a module, tensor, batch, or a mapping or sequence of them, on a device.

    A module is moved in place; so are its parameters, which an optimiser may hold already.
    """
    from accelerate.utils import send_to_device

    found: T = send_to_device(value, device)
    return found


def device_of(module: nn.Module) -> torch.device:
    """Return where a module computes; one without parameters and buffers does so on the CPU."""
    for tensor in (*module.parameters(), *module.buffers()):
        return tensor.device
    return torch.device("cpu")
