"""Measures a LoRA training step with `pipelines.frozen_linear.faster` against peft's own.

Run: python benchmarks/step.py [--rounds 5] [--bf16 auto] [--write docs/benchmarks/step.md]

Both models have random weights. All ways of a model take a step in turn, in one process, on the
same batch; every way has its own copy of the adapters and its own optimiser.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import copy
import platform
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipelines.frozen_linear import choose_engine, faster
from pipelines.placement import precision

WANTED = {"bf16": 2.2, "fp32": 1.7}


@dataclass
class Way:
    """One way to take a step of one model.

    Attributes:
        name: as the table calls it.
        model: an adapted model of its own.
        swap: what the step runs in.
        precision: "fp32", or "bf16" for autocast.
    """

    name: str
    model: nn.Module
    swap: AbstractContextManager[Any]
    precision: str
    seconds: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-3)

    def step(self, inputs: dict[str, Tensor]) -> None:
        """Take one step: forward, backward, AdamW."""
        begun = time.perf_counter()
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            loss = self.model(**inputs).last_hidden_state.mean(dim=1).float().square().mean()
        loss.backward()
        self.optimizer.step()
        self.seconds.append(time.perf_counter() - begun)
        self.losses.append(loss.item())


def main() -> None:
    """Measure both models and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bf16", choices=["auto", "yes", "no"], default="auto")
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    with_bf16 = given.bf16 == "yes" or (given.bf16 == "auto" and native_bf16())
    lines: list[str] = []
    for name, build in (("ViT-S/16, 16 x 224 px", vit), ("BERT 6 x 384, 32 x 128 tokens", bert)):
        model, inputs = build()
        lines += [
            f"| {name} {line}"
            for line in measured(model, inputs, rounds=given.rounds, with_bf16=with_bf16)
        ]
    text = page(lines, given, with_bf16)
    print(text)
    if given.write:
        given.write.write_text(text, encoding="utf-8")


def measured(
    model: nn.Module, inputs: dict[str, Tensor], *, rounds: int, with_bf16: bool
) -> list[str]:
    """Return the table's rows of a model; the first round of every way is not counted."""
    with ExitStack() as stack:
        found = []
        for way in ways(model, with_bf16):
            stack.enter_context(way.swap)
            found.append(way)
        for _ in range(rounds + 1):
            for way in found:
                way.step(inputs)
    plain = found[0]
    base = statistics.median(plain.seconds[1:])
    rows = []
    for way in found:
        seconds = statistics.median(way.seconds[1:])
        pairs = zip(way.losses, plain.losses, strict=True)
        away = max(abs(a - b) / abs(b) for a, b in pairs)
        wanted = WANTED[way.precision] if "faster" in way.name else None
        verdict = (
            "" if wanted is None else f"{'yes' if base / seconds >= wanted else 'no'} ({wanted}x)"
        )
        rows.append(
            f"| {way.name} | {seconds:.3f} | {base / seconds:.2f}x | {verdict} | {away:.0e} |"
        )
    return rows


def ways(model: nn.Module, with_bf16: bool) -> list[Way]:
    """Return peft's way first, then the others, each over a copy of the model."""
    engine = choose_engine("fp32")
    other: Any = "torch" if engine == "onednn" else "onednn"
    a, b, c = (copy.deepcopy(model) for _ in range(3))
    found = [
        Way("peft fp32", a, nullcontext(), "fp32"),
        Way(f"faster fp32 ({engine}, chosen here)", b, faster(b, precision="fp32"), "fp32"),
        Way(f"forced engine ({other})", c, faster(c, precision="fp32", engine=other), "fp32"),
    ]
    if with_bf16:
        d, e = copy.deepcopy(model), copy.deepcopy(model)
        found.append(Way("peft bf16 autocast", d, nullcontext(), "bf16"))
        found.append(Way("faster bf16", e, faster(e, precision="bf16"), "bf16"))
    return found


def vit() -> tuple[nn.Module, dict[str, Tensor]]:
    """Return an adapted ViT-S/16 and a batch of 16."""
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    config = ViTConfig(hidden_size=384, num_hidden_layers=12, num_attention_heads=6,
                       intermediate_size=1536, image_size=224, patch_size=16)  # fmt: skip
    model = adapted(lambda: ViTModel(config, add_pooling_layer=False), ["q_proj", "v_proj"])
    return model, {"pixel_values": torch.randn(16, 3, 224, 224)}


def bert() -> tuple[nn.Module, dict[str, Tensor]]:
    """Return an adapted six-layer BERT of MiniLM's shape and a batch of 32 texts."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                        intermediate_size=1536, hidden_dropout_prob=0.0,
                        attention_probs_dropout_prob=0.0)  # fmt: skip
    model = adapted(lambda: BertModel(config, add_pooling_layer=False), ["query", "value"])
    ids = torch.randint(0, config.vocab_size, (32, 128))
    return model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def adapted(build: Callable[[], nn.Module], targets: list[str]) -> nn.Module:
    """Return a model with adapters of rank 8."""
    import peft

    found: Any = build()
    settings = peft.LoraConfig(r=8, lora_alpha=16, target_modules=targets)
    model: nn.Module = peft.get_peft_model(found, settings).train()
    return model


def page(lines: list[str], given: argparse.Namespace, with_bf16: bool) -> str:
    """Return the figures as a page."""
    left_out = "" if with_bf16 else (
        " bf16 is left out: this processor does not multiply bfloat16 natively, so `precision: auto` "
        "never chooses it here (`--bf16 yes` measures it all the same)."
    )  # fmt: skip
    return "\n".join([
        "# A LoRA step over frozen weights", "",
        "Forward, backward and AdamW with adapters of rank 8 on query and value, random weights. "
        "`faster` is `pipelines.frozen_linear.faster`; the ratio is peft in fp32 over the way, "
        f"medians of {given.rounds} steps taken in turn in one process. `apart` is the largest "
        f"relative difference of a loss from peft's in fp32.{left_out}", "",
        f"Machine: {machine()}. Command: `python benchmarks/step.py --rounds {given.rounds} "
        f"--bf16 {given.bf16}`.", "",
        "| model | way | s a step | ratio | enough | apart |", "|---|---|---|---|---|---|", *lines, "",
    ])  # fmt: skip


def native_bf16() -> bool:
    """Whether this processor multiplies in bfloat16."""
    return precision("auto", "cpu").name == "bf16"


def machine() -> str:
    """Name the processor, the threads and the version of torch."""
    lines = (
        Path("/proc/cpuinfo").read_text().splitlines() if os.path.exists("/proc/cpuinfo") else []
    )
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor()
    native = "native bf16" if native_bf16() else "no native bf16"
    return (
        f"{processor}, {torch.backends.cpu.get_cpu_capability()}, {native}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )


if __name__ == "__main__":
    main()
