"""Measures the contrastive loss with its gradients against open_clip's, in time, memory, exactness.

Run: python benchmarks/loss.py --open-clip LOSS.PY [--rows 8192 16384] [--write docs/benchmarks/loss.md]

LOSS.PY is `src/open_clip/loss.py` of a checkout of open_clip, loaded alone; the environment
variable OPEN_CLIP_LOSS may name it instead. Both sides are given the same raw vectors, scale them
to length one and go back to their gradients. Rounds are interleaved in one process; memory is the
growth of the peak in a fresh process each.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import importlib.util
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from eval.scores.engine import engine_name
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items, Step
from workbench import registry

WIDTH, SCALE, BIAS = 512, 1 / 0.07, -10.0
EXACT_ROWS = 2048
PLAIN, SIGLIP = "open_clip ClipLoss", "open_clip SigLipLoss"
OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "ours": ("contrastive", {}),
    "ours, 30 % absent": ("contrastive", {}),
    "ours, several studies a patient": ("contrastive", {}),
    "ours, several right answers": ("contrastive", {"targets": "same_text"}),
    "ours, sigmoid": ("sigmoid", {"temperature": 0.07, "bias": BIAS}),
}
ALL = (PLAIN, *list(OURS)[:-1], SIGLIP, "ours, sigmoid")

Loss = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    """Print the table, and write it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--open-clip", type=Path, default=os.environ.get("OPEN_CLIP_LOSS"))
    parser.add_argument("--rows", type=int, nargs="+", default=[8192, 16384])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.open_clip is None:
        parser.error("--open-clip or OPEN_CLIP_LOSS must name open_clip's loss.py")
    torch.set_num_threads(given.threads)
    if given.memory:
        print(peak_mib(given.memory, given.rows[0], given.open_clip))
        return
    text = page(given)
    print(text)
    if given.write:
        given.write.write_text(text)


def page(given: argparse.Namespace) -> str:
    """Return the measurements as Markdown."""
    lines = [
        "# The contrastive loss",
        "",
        "Time and memory of one loss with its gradients to both sides' raw vectors of width "
        f"{WIDTH}, float32, median of {given.rounds} interleaved rounds. Memory is what the peak "
        "grows by in a fresh process; ratios are to open_clip's loss of the same kind.",
        "",
        "| rows | loss | seconds | faster | MiB | less memory |",
        "|---|---|---|---|---|---|",
    ]
    for rows in given.rows:
        seconds = times(rows, given)
        memory = {name: fresh(name, rows, given) for name in ALL}
        for name in ALL:
            base = SIGLIP if "sig" in name.lower() else PLAIN
            lines.append(
                f"| {rows:,} | {name} | {seconds[name]:.2f} | {seconds[base] / seconds[name]:.2f} | "
                f"{memory[name]:,.0f} | {memory[base] / memory[name]:.1f} |"
            )
    lines += ["", "Relative errors against float64 with whole tables, "
              f"{EXACT_ROWS:,} rows:", "", "| loss | value | gradient |", "|---|---|---|"]  # fmt: skip
    for name in (PLAIN, "ours", SIGLIP, "ours, sigmoid"):
        value, slope = errors(name, given.open_clip)
        lines.append(f"| {name} | {value:.1e} | {slope:.1e} |")
    lines += ["", f"Machine: {machine()}, {given.threads} threads, matrix engine {engine_name()}, "
              f"torch {torch.__version__}, Python {platform.python_version()}. Command:", "",
              "    python benchmarks/loss.py --open-clip open_clip/src/open_clip/loss.py", ""]  # fmt: skip
    return "\n".join(lines)


def times(rows: int, given: argparse.Namespace) -> dict[str, float]:
    """Return the median seconds of every loss, one round of all after another."""
    losses = {name: make(name, rows, given.open_clip) for name in ALL}
    found: dict[str, list[float]] = {name: [] for name in ALL}
    for _ in range(given.rounds):
        for name, loss in losses.items():
            query, candidate = vectors(rows)
            start = time.perf_counter()
            loss(query, candidate).backward()  # type: ignore[no-untyped-call]
            found[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in found.items()}


def fresh(name: str, rows: int, given: argparse.Namespace) -> float:
    """Return the peak in MiB of a loss in a process of its own."""
    line = [sys.executable, __file__, "--memory", name, "--rows", str(rows), "--threads",
            str(given.threads), "--open-clip", str(given.open_clip)]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(line, check=True, capture_output=True, text=True, env=environment)
    return float(done.stdout.split()[-1])


def peak_mib(name: str, rows: int, open_clip: Path) -> float:
    """Return how far the peak of this process grows during one loss; Linux only."""
    small = vectors(64)
    make(name, 64, open_clip)(*small).backward()  # type: ignore[no-untyped-call]
    query, candidate = vectors(rows)
    loss = make(name, rows, open_clip)
    Path("/proc/self/clear_refs").write_text("5")
    before = _high_water()
    loss(query, candidate).backward()  # type: ignore[no-untyped-call]
    return _high_water() - before


def errors(name: str, open_clip: Path) -> tuple[float, float]:
    """Return relative errors of loss and gradients against whole tables in float64."""
    query, candidate = vectors(EXACT_ROWS)
    loss = make(name, EXACT_ROWS, open_clip)(query, candidate)
    found = torch.autograd.grad(loss, [query, candidate])
    wide = [v.detach().double().requires_grad_() for v in (query, candidate)]
    scores = SCALE * normalize(wide[0], dim=1) @ normalize(wide[1], dim=1).T
    if "sig" in name.lower():
        sign = 2 * torch.eye(EXACT_ROWS, dtype=torch.float64) - 1
        true = -torch.nn.functional.logsigmoid(sign * (scores + BIAS)).sum() / EXACT_ROWS
    else:
        own = scores.diagonal()
        true = 0.5 * (scores.logsumexp(0) + scores.logsumexp(1) - 2 * own).mean()
    slopes = torch.autograd.grad(true, wide)
    worst = max(float((a - b).norm() / b.norm()) for a, b in zip(found, slopes, strict=True))
    return abs(float((loss.double() / true).detach()) - 1), worst


def make(name: str, rows: int, open_clip: Path) -> Loss:
    """Return a function from raw vectors to a loss."""
    if name in OURS:
        return _ours(name, rows)
    specification = importlib.util.spec_from_file_location("open_clip_loss", open_clip)
    if specification is None or specification.loader is None:
        raise SystemExit(f"{open_clip} is no Python file")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    line = [torch.tensor(value, requires_grad=True) for value in (SCALE, BIAS)]
    theirs = module.ClipLoss() if name == PLAIN else module.SigLipLoss()
    more: Sequence[Tensor] = line[:1] if name == PLAIN else line
    return lambda query, candidate: theirs(
        normalize(query, dim=1), normalize(candidate, dim=1), *more
    )


def vectors(rows: int) -> tuple[Tensor, Tensor]:
    """Return partners that resemble each other a little, as in the middle of training."""
    source = torch.Generator().manual_seed(0)
    query, noise = (torch.randn(rows, WIDTH, generator=source) for _ in range(2))
    return query.requires_grad_(), (0.3 * query.detach() + noise).requires_grad_()


def _ours(name: str, rows: int) -> Loss:
    kind, options = OURS[name]
    entry = registry.load("objectives", kind)
    made = entry.build(entry.options(**options), [Edge("a", ("b",))], Shapes(WIDTH))
    number = torch.arange(rows)
    present = {k: torch.ones(rows, dtype=torch.bool) for k in "ab"}
    if "absent" in name:
        present["b"] = number % 10 >= 3
    group = number // 3 if "patient" in name else number
    items = Items(number, group, {"a": number, "b": number // 2})
    return lambda query, candidate: (
        made(Encoded({"a": query, "b": candidate}, present), items, Step()).total
    )


def machine() -> str:
    """Return the processor's name and its widest vector instructions, from /proc/cpuinfo."""
    text = Path("/proc/cpuinfo").read_text()
    names = [line.partition(": ")[2] for line in text.splitlines() if line.startswith("model name")]
    return f"{names[0]} ({torch.backends.cpu.get_cpu_capability()})"


def _high_water() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
