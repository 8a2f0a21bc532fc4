"""Measures the contrastive loss with its gradients against open_clip's: time, memory, exactness.

Run: python benchmarks/loss.py --peers build/peers [--rows 8192] [--measure seconds memory errors]
     [--losses NAME ...] [--keep loss.json] [--write docs/benchmarks/loss.md]

build/peers is what `pip install --no-deps --target build/peers open_clip_torch` makes; only
`open_clip/loss.py` is loaded, which needs nothing but torch. Both sides are given the same raw
vectors, scale them to length one and return their gradients. Rounds are interleaved in one process;
memory is what the peak grows by in a fresh process each. What several runs kept makes one page.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import ctypes
import importlib.util
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, normalize

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items, Step
from pipelines.objectives.unit_rows import laid_out
from workbench import registry

WIDTH, SCALE, BIAS = 512, 1 / 0.07, -10.0
WARM, BLOCK = 2048, 1024
PLAIN, SIGLIP, BARE = "open_clip ClipLoss", "open_clip SigLipLoss", "four bare matrix products"
OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "ours": ("contrastive", {}),
    "ours, 30 % absent": ("contrastive", {}),
    "ours, several studies a patient": ("contrastive", {}),
    "ours, several right answers": ("contrastive", {"targets": "same_text"}),
    "ours, sigmoid": ("sigmoid", {"temperature": 0.07, "bias": BIAS}),
}
ALL = (PLAIN, *list(OURS)[:-1], BARE, SIGLIP, "ours, sigmoid")
EXACT = (PLAIN, "ours", SIGLIP, "ours, sigmoid")

Loss = Callable[[Tensor, Tensor], Tensor]
Kept = dict[str, dict[str, dict[str, Any]]]
"""By number of rows and by measure: what was found for each loss."""


def main() -> None:
    """Print the page of what this run and those kept before it found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", type=Path, required=True, help="folder that holds open_clip")
    parser.add_argument("--rows", type=int, nargs="+", default=[8192])
    parser.add_argument("--measure", nargs="+", default=["seconds", "memory", "errors"])
    parser.add_argument("--losses", nargs="+", default=ALL)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="JSON to add to")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.peak:
        print(peak_mib(given.peak, given.rows[0], given.peers))
        return
    kept = json.loads(given.keep.read_text()) if given.keep and given.keep.exists() else {}
    for rows in given.rows:
        measure(rows, given, kept.setdefault(str(rows), {}))
    if given.keep:
        given.keep.write_text(json.dumps(kept, indent=1))
    text = page(kept, given)
    print(text)
    if given.write:
        given.write.write_text(text)


def measure(rows: int, given: argparse.Namespace, kept: dict[str, dict[str, Any]]) -> None:
    """Add what is asked for to what is known about one number of rows."""
    losses = [name for name in ALL if name in given.losses]
    if "seconds" in given.measure:
        for name, found in times(losses, rows, given).items():
            kept.setdefault("seconds", {}).setdefault(name, []).extend(found)
    if "memory" in given.measure:
        peaks = {name: fresh(name, rows, given) for name in losses if name != BARE}
        kept.setdefault("memory", {}).update(peaks)
    if "errors" in given.measure:
        for names in (EXACT[:2], EXACT[2:]):
            asked = [name for name in names if name in losses]
            kept.setdefault("errors", {}).update(errors(asked, rows, given.peers))


def page(kept: Kept, given: argparse.Namespace) -> str:
    """Return the measurements as Markdown."""
    lines = [
        "# The contrastive loss",
        "",
        "One loss with its gradients to both sides' raw vectors of width "
        f"{WIDTH}, float32. Seconds are the least of the interleaved rounds. Memory is "
        "what the peak grows by in a fresh process; beyond the gradients means less the two "
        "gradients, which every loss has to return. Ratios are to open_clip's loss of the same kind.",
        "",
        "| rows | loss | seconds | faster | peak MiB | less | MiB beyond the gradients | less |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for rows in sorted(kept, key=int):
        lines += _table(int(rows), kept[rows])
    lines += ["", "Relative errors against float64:", "",
              "| rows | loss | value | gradient |", "|---|---|---|---|"]  # fmt: skip
    for rows in sorted(kept, key=int):
        for name, (value, slope) in kept[rows].get("errors", {}).items():
            lines.append(f"| {int(rows):,} | {name} | {value:.1e} | {slope:.1e} |")
    engine = laid_out(torch.zeros(1, 1)).engine
    lines += ["", REMARKS, "",
              f"Machine: {machine()}, {given.threads} threads, matrix engine {engine}, "
              f"torch {torch.__version__}, Python {platform.python_version()}. Command:", "",
              "    make bench-loss", ""]  # fmt: skip
    return "\n".join(lines)


REMARKS = """\
open_clip's ClipLoss makes six products of the size of the batch's table, which it holds several
times; ours makes four of a tile at a time: one for the sums of the exponentials, one for the tile
again, two for the gradients. The row of bare products is the time of four such products alone with
`torch.mm`, the floor of whatever makes each tile twice by that engine. Where one library
multiplies as fast as the other, the ratio of times therefore cannot much exceed the six to four of
the products plus what open_clip spends beside them."""


def _table(rows: int, kept: dict[str, dict[str, Any]]) -> list[str]:
    """Return the lines of one number of rows."""
    seconds = {name: min(found) for name, found in kept.get("seconds", {}).items()}
    memory, lines = kept.get("memory", {}), []
    due = 2 * rows * WIDTH * 4 / 2**20
    for name in ALL:
        base = SIGLIP if "sig" in name.lower() else PLAIN
        cells = [f"{rows:,}", name, *_compared(seconds, name, base, "{:.2f}")]
        cells += _compared(memory, name, base, "{:,.0f}")
        cells += _compared({k: v - due for k, v in memory.items()}, name, base, "{:,.0f}")
        if name in seconds or name in memory:
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _compared(found: dict[str, float], name: str, base: str, form: str) -> list[str]:
    """Return a number, and how many times smaller it is than the peer's."""
    if name not in found:
        return ["", ""]
    return [form.format(found[name]), f"{found[base] / found[name]:.2f}x" if base in found else ""]


def times(names: Iterable[str], rows: int, given: argparse.Namespace) -> dict[str, list[float]]:
    """Return the seconds of every loss, one round of all after another."""
    losses = {name: make(name, rows, given.peers) for name in names}
    found: dict[str, list[float]] = {name: [] for name in losses}
    for name in losses:
        sides = vectors(WARM)
        torch.autograd.grad(make(name, WARM, given.peers)(*sides), sides)
    for _ in range(given.rounds):
        for name, loss in losses.items():
            sides = vectors(rows)
            start = time.perf_counter()
            torch.autograd.grad(loss(*sides), sides)
            found[name].append(time.perf_counter() - start)
    return found


def fresh(name: str, rows: int, given: argparse.Namespace) -> float:
    """Return the peak in MiB of a loss in a process of its own."""
    line = [sys.executable, __file__, "--peak", name, "--rows", str(rows), "--threads",
            str(given.threads), "--peers", str(given.peers)]  # fmt: skip
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def peak_mib(name: str, rows: int, peers: Path) -> float:
    """Return how far the peak of this process grows during one loss; Linux only."""
    small = vectors(WARM)
    torch.autograd.grad(make(name, WARM, peers)(*small), small)
    sides, loss = vectors(rows), make(name, rows, peers)
    ctypes.CDLL(None).malloc_trim(0)  # what the first loss has freed would hide as much of this one
    Path("/proc/self/clear_refs").write_text("5")
    before = _high_water()
    torch.autograd.grad(loss(*sides), sides)
    return _high_water() - before


def errors(names: Sequence[str], rows: int, peers: Path) -> dict[str, tuple[float, float]]:
    """Return relative errors of value and gradients against float64, of losses of one kind."""
    if not names:
        return {}
    sides, found = vectors(rows), {}
    logistic = "sig" in names[0].lower()
    true, *slopes = exact(*(v.detach().double() for v in sides), logistic=logistic)
    for name in names:
        loss = make(name, rows, peers)(*sides)
        grads = torch.autograd.grad(loss, sides)
        worst = max(float((a - b).norm() / b.norm()) for a, b in zip(grads, slopes, strict=True))
        found[name] = (abs(float(loss.detach().double() / true) - 1), worst)
    return found


def exact(query: Tensor, candidate: Tensor, *, logistic: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return loss and gradients with respect to raw vectors in float64, a block of rows at a time."""
    count, (u, v) = len(query), (normalize(side, dim=1) for side in (query, candidate))
    value, by_u, by_v = query.new_zeros(()), torch.zeros_like(u), torch.zeros_like(v)
    blocks = torch.split(torch.arange(count), BLOCK)
    own = (u * v).sum(1)
    if not logistic:
        by_row = torch.cat([(SCALE * u[rows] @ v.T).logsumexp(1) for rows in blocks])
        by_column = torch.cat([(SCALE * v[rows] @ u.T).logsumexp(1) for rows in blocks])
        value = 0.5 * (by_row + by_column).mean() - SCALE * own.mean()
    for rows in blocks:
        scores = SCALE * u[rows] @ v.T
        if logistic:
            value = (
                value
                - (logsigmoid(-scores - BIAS).sum() + SCALE * own[rows].sum() + BIAS * len(rows))
                / count
            )
            slope = (scores + BIAS).sigmoid()
        else:
            slope = 0.5 * ((scores - by_row[rows, None]).exp() + (scores - by_column).exp())
        slope[torch.arange(len(rows)), rows] -= 1.0
        by_u[rows] = slope @ v
        by_v += slope.T @ u[rows]
    raw = [(g - unit * (unit * g).sum(1, keepdim=True)) * SCALE / count / side.norm(dim=1, keepdim=True)
           for g, unit, side in ((by_u, u, query), (by_v, v, candidate))]  # fmt: skip
    return value, raw[0], raw[1]


def make(name: str, rows: int, peers: Path) -> Loss:
    """Return a function from raw vectors to a loss."""
    if name in OURS:
        return _ours(name, rows)
    if name == BARE:
        return _products
    module = alone(peers / "open_clip" / "loss.py")
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


def alone(file: Path) -> Any:
    """Return a module loaded from one file, without the package around it."""
    specification = importlib.util.spec_from_file_location(f"peer_{file.stem}", file)
    if specification is None or specification.loader is None or not file.is_file():
        raise SystemExit(f"{file} is no Python file")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _products(query: Tensor, candidate: Tensor) -> Tensor:
    """Multiply four times what fills the table of scores, a tile at a time, and add nothing up."""
    tile = torch.empty(BLOCK, BLOCK)
    with torch.no_grad():
        for across in torch.split(candidate, BLOCK):
            for down in torch.split(query, BLOCK):
                for _ in range(4):
                    torch.mm(down, across.T, out=tile)
    return 0.0 * (query[0] @ candidate[0])


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
