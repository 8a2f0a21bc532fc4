"""Measures what keeping the frozen first blocks of an encoder saves per epoch.

Run: python benchmarks/prefix.py [--images 64] [--epochs 3] [--write docs/benchmarks/prefix.md]

A ViT-S/16 with random weights is trained twice in one process, plain and with kept hidden states,
epoch by epoch in turn. Both see the same images in the same order.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipelines.batch import Shelf, shelf
from pipelines.decode import Decoded
from pipelines.plan import Part, make_plan
from pipelines.prefix import PrefixCache, plan_prefix
from pipelines.towers import Tower, build_tower
from workbench.encoder import Features
from workbench.modality import Batch

BATCH = 16
DEPTH = 12
LEAST = {1: 5.5, 2: 3.0}
PIPELINE = """\
name: prefix
manifest: {{synthetic: clinic, subjects: 8}}
modalities:
  xray:
    options: {{size: 224}}
    encoder: {{name: vit, options: {{width: 384, heads: 6, depth: 12, patch: 16}}}}
    adapt: {{lora: {{rank: 8, alpha: 16, last: {last}, targets: [q_proj, v_proj]}}}}
    augment: false
  report:
    encoder: {{name: text_tiny}}
align: {{edges: all}}
"""


@dataclass
class Student:
    """A tower in training.

    Attributes:
        features: gives its features of a batch at given places.
        losses: of every step so far.
        seconds: of every epoch so far.
    """

    tower: Tower
    features: Callable[[Batch, np.ndarray], Features]

    def __post_init__(self) -> None:
        self.losses: list[float] = []
        self.seconds: list[float] = []
        trained = [p for p in self.tower.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(trained, lr=1e-3)
        self.tower.train()

    def epoch(self, stock: Shelf, number: int) -> None:
        """Train for one epoch, in the order that its number gives."""
        begun = time.perf_counter()
        order = np.random.default_rng(number).permutation(len(stock.decoded.rows))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            self.optimizer.zero_grad()
            pooled = self.features(stock.batch(rows), rows).pooled
            vectors = torch.nn.functional.normalize(self.tower.head(pooled))
            loss = torch.logsumexp(vectors @ vectors.T / 0.1, dim=1).mean()
            loss.backward()
            self.optimizer.step()
            self.losses.append(loss.item())
        self.seconds.append(time.perf_counter() - begun)


def main() -> None:
    """Measure k = 1 and k = 2, print the table, and say whether each ratio is large enough."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--last", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    rows = [measured(last, given.images, given.epochs) for last in given.last]
    text = page(rows, given)
    print(text)
    if given.write:
        given.write.write_text(text, encoding="utf-8")


def measured(last: int, images: int, epochs: int) -> str:
    """Return the table's row for adapters in the last so many blocks."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        part, stock = stocked(folder, last, images)
        plain, kept = (build_tower(part, 128, seed=1) for _ in range(2))
        begun = time.perf_counter()
        plan = plan_prefix(part, kept, stock)
        planned = time.perf_counter() - begun
        if isinstance(plan, str):
            sys.exit(f"not cut: {plan}")
        cache = PrefixCache(plan, folder / "prefix")
        students = [
            Student(plain, lambda batch, rows: plain.features(batch)),
            Student(kept, cache.features),
        ]
        for number in range(epochs + 1):
            for student in students:
                student.epoch(stock, number)
        size = sum(f.stat().st_size for f in (folder / "prefix").rglob("*") if f.is_file())
    slow, fast = (statistics.median(s.seconds[1:]) for s in students)
    same = students[0].losses == students[1].losses
    difference = max(abs(a - b) for a, b in zip(*(s.losses for s in students), strict=True))
    equal = "equal bit by bit" if same else f"differ by up to {difference:.1e}"
    verdict = ""
    if last in LEAST:
        verdict = f"{'yes' if slow / fast >= LEAST[last] else 'no'} ({LEAST[last]:g}x)"
    return (
        f"| {last} | {slow:.2f} | {fast:.2f} | {slow / fast:.2f}x | {verdict} "
        f"| {(DEPTH + last) / (2 * last):.1f}x | {students[1].seconds[0] / students[0].seconds[0]:.2f} "
        f"| {planned:.1f} | {size / images / 1024:.0f} | {equal} |"
    )


def stocked(folder: Path, last: int, images: int) -> tuple[Part, Shelf]:
    """Return the modality and a shelf of random images."""
    (folder / "prefix.yaml").write_text(PIPELINE.format(last=last))
    part = make_plan(folder / "prefix.yaml").parts["xray"]
    channels = part.options.preset.channels  # type: ignore[attr-defined]
    shape = (channels, 224, 224)
    rng = np.random.default_rng(0)
    data = rng.standard_normal((images, *shape), dtype=np.float32)
    data.tofile(folder / "arrays.bin")
    step = data[0].nbytes
    index = [
        {
            "data": {"offset": i * step, "dtype": "<f4", "shape": list(shape)},
            "valid": None,
            "meta": {},
        }
        for i in range(images)
    ]
    digests = tuple(str(i) for i in range(images))
    decoded = Decoded(folder, np.arange(images), digests, ((),) * images, index)
    return part, shelf(part, decoded, images)


def page(rows: list[str], given: argparse.Namespace) -> str:
    """Return the figures as a page."""
    return "\n".join([
        "# Frozen first blocks, kept", "",
        "LoRA (rank 8 on query and value) in the last k of 12 blocks of a ViT-S/16 at 224 pixels, "
        f"random weights, {given.images} images, batch {BATCH}, fp32. `plain` runs the whole encoder "
        "every epoch; `kept` reads the hidden state that enters block 12 - k + 1 from disk. Both train "
        f"in turn in one process; seconds per epoch are medians of {given.epochs} epochs after the "
        "first, in which `kept` writes what it will read (its cost against a plain epoch: `first`). "
        "(12 + k) / 2k counts forward and backward passes of blocks alone.", "",
        f"Machine: {machine()}. Command: `python benchmarks/prefix.py --images {given.images} "
        f"--epochs {given.epochs}`.", "",
        "| k | plain s | kept s | ratio | enough | (12 + k) / 2k | first | plan s | kB an image "
        "| losses |",
        "|---|---|---|---|---|---|---|---|---|---|", *rows, "",
    ])  # fmt: skip


def machine() -> str:
    """Name the processor, the threads and the version of torch."""
    lines = (
        Path("/proc/cpuinfo").read_text().splitlines() if os.path.exists("/proc/cpuinfo") else []
    )
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor()
    return (
        f"{processor}, {torch.backends.cpu.get_cpu_capability()}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )


if __name__ == "__main__":
    main()
