"""Measures exact retrieval against one matrix product and against what one would use instead.

Run: python benchmarks/retrieval.py [--growth] [--write docs/benchmarks/retrieval.md]

faiss-cpu is measured where it is installed. Every ratio is taken between runs that alternate in one
process; two threads, waiting passively.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from eval.ranking import GALLERY_TILE, QUERY_TILE, TILES, Problem, rank, rank_both  # noqa: E402
from eval.scores import score  # noqa: E402
from eval.scores.engine import engine_name, pack, product  # noqa: E402

WIDTH, ROUNDS, COSINE = 512, 3, score("cosine")
NONE = np.zeros(0, dtype=np.int64)
BIOSCAN = (40_000, 5_150_850)  # queries and DNA keys of BIOSCAN-5M
GROWTH = ((2_000, 10_000), (2_000, 100_000), (500, 1_000_000))


def main() -> None:
    """Print the tables; write them where asked."""
    options = _options()
    if options.grow:
        print(*_grown(*options.grow))
        return
    lines = [*_head(), *_against_peers(options.queries, options.keys, options.only)]
    if options.growth:
        lines += _growth()
    page = "\n".join(lines) + "\n"
    print(page)
    if options.write:
        options.write.write_text(page, encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=50_000)
    parser.add_argument("--only", default="", help="words of the rows to measure, by comma")
    parser.add_argument("--growth", action="store_true", help="also 10k, 100k and 1M keys")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--grow", nargs=2, type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _head() -> list[str]:
    return [
        "# Exact retrieval",
        "",
        f"{_machine()}, {os.cpu_count()} processors, torch {torch.__version__} on "
        f"{torch.get_num_threads()} threads, product by {engine_name()}; d = {WIDTH}, float32. "
        f"Medians of {ROUNDS}, ratios from alternating runs in one process.",
        "",
        f"Command: `python benchmarks/retrieval.py {' '.join(sys.argv[1:])}`",
    ]


def _machine() -> str:
    """Return the processor's own name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "?")


def _against_peers(queries: int, keys: int, only: str) -> list[str]:
    """Time every way in turn, as ratios to one product."""
    ways = _ways(*_vectors(queries, keys))
    missing = [name for name, way in ways.items() if way is None]
    wanted = [word for word in only.split(",") if word]
    chosen = {
        name: way for name, way in ways.items()
        if way is not None and (name == FLOOR or not wanted or any(w in name for w in wanted))
    }  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in chosen}
    for _ in range(ROUNDS):
        for name, way in chosen.items():
            start = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - start)
    lines = [
        "",
        f"## {queries:,} queries x {keys:,} keys",
        "",
        "| way | seconds | to one product |",
    ]
    lines.append("|---|---|---|")
    for name, taken in times.items():
        ratio = statistics.median(a / b for a, b in zip(taken, times[FLOOR], strict=True))
        lines.append(f"| {name} | {statistics.median(taken):.2f} | {ratio:.2f} |")
    return [*lines, *(f"\n{name}: not installed, not measured." for name in missing)]


FLOOR = "one float32 product, tile by tile"


def _ways(query: np.ndarray, gallery: np.ndarray) -> dict[str, Callable[[], object] | None]:
    """Return what is measured; None for a peer that is not installed."""
    count, size = len(query), len(gallery)
    own = [np.array([i]) for i in range(count)]
    back = [np.array([j]) if j < count else NONE for j in range(size)]

    def problem(positives: Sequence[np.ndarray], top: int) -> Problem:
        return Problem(COSINE, query, gallery, positives, [NONE] * count, top)

    def both(top: int) -> object:
        turned = Problem(COSINE, gallery, query, back, [NONE] * size, top)
        return rank_both(problem(own, top), turned)

    twenty, hundred = (_many(count, size, positives) for positives in (20, 100))
    ways: dict[str, Callable[[], object] | None] = {
        FLOOR: lambda: _products(query, gallery),
        "torch.mm": lambda: _torch_products(query, gallery),
        "exact ranks": lambda: list(rank(problem(own, 0))),
        "exact ranks and the best 10": lambda: list(rank(problem(own, 10))),
        "exact ranks, both directions": lambda: both(0),
        "exact ranks and the best 10, both directions": lambda: both(10),
        "ranks of all positives, 20 a query": lambda: list(rank(twenty)),
        "ranks of all positives, 100 a query": lambda: list(rank(hundred)),
        "torch blocks, topk 10": lambda: _torch_best(query, gallery),
    }
    try:
        faiss = importlib.import_module("faiss")
    except ModuleNotFoundError:
        return {**ways, "faiss flat, best 10": None}
    inner = faiss.METRIC_INNER_PRODUCT
    return {**ways, "faiss flat, best 10": lambda: faiss.knn(query, gallery, 10, inner)}


def _many(queries: int, size: int, positives: int) -> Problem:
    """A problem whose queries each have so many positives, as near as same-class vectors are."""
    rng = np.random.default_rng(1)
    classes = size // positives
    centres = rng.standard_normal((classes, WIDTH), np.float32)
    keys, asked = np.arange(size) % classes, rng.integers(0, classes, queries)
    noisy = [
        COSINE.prepare(centres[c] + 1.3 * rng.standard_normal((len(c), WIDTH), np.float32))
        for c in (asked, keys)
    ]
    members = [np.flatnonzero(keys == c) for c in range(classes)]
    return Problem(COSINE, *noisy, [members[c] for c in asked], [NONE] * queries, 0)


def _vectors(queries: int, keys: int) -> tuple[np.ndarray, np.ndarray]:
    """Return queries near their keys, and keys, of length one."""
    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((keys, WIDTH), np.float32)
    query = gallery[:queries] + 2 * rng.standard_normal((queries, WIDTH), np.float32)
    return COSINE.prepare(query), COSINE.prepare(gallery)


def _products(query: np.ndarray, gallery: np.ndarray) -> None:
    left = torch.from_numpy(query)
    for block in left.split(QUERY_TILE * TILES):
        for items in torch.from_numpy(gallery).split(GALLERY_TILE):
            right = pack(items)
            for part in block.split(QUERY_TILE):
                product(part, right)


def _torch_products(query: np.ndarray, gallery: np.ndarray) -> None:
    right, out = torch.from_numpy(gallery).T, torch.empty(1024, len(gallery))
    for part in torch.from_numpy(query).split(1024):
        torch.mm(part, right, out=out[: len(part)])


def _torch_best(query: np.ndarray, gallery: np.ndarray) -> None:
    right = torch.from_numpy(gallery).T
    for part in torch.from_numpy(query).split(1024):
        (part @ right).topk(10, dim=1)


def _growth() -> list[str]:
    """Rank against ever more keys in fresh processes; time should follow N x M, memory nothing."""
    lines = ["", "## Growth", "", "| queries | keys | seconds | ns a pair | MiB above inputs |"]
    lines.append("|---|---|---|---|---|")
    rate = 0.0
    for queries, keys in GROWTH:
        command = [sys.executable, __file__, "--grow", str(queries), str(keys)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        seconds, extra = float(answer[0]), float(answer[1])
        rate = seconds / queries / keys
        lines.append(f"| {queries:,} | {keys:,} | {seconds:.2f} | {rate * 1e9:.2f} | {extra:.0f} |")
    minutes = BIOSCAN[0] * BIOSCAN[1] * rate / 60
    return [*lines, "", f"On paper, at the last rate: BIOSCAN-5M, {BIOSCAN[0]:,} queries x "
            f"{BIOSCAN[1]:,} DNA keys, takes {minutes:.0f} minutes here."]  # fmt: skip


def _grown(queries: int, keys: int) -> tuple[float, float]:
    """Return seconds and MiB that ranking adds to the high-water mark of a process."""
    query, gallery = _vectors(min(queries, 8), 64)
    list(rank(Problem(COSINE, query, gallery, [np.array([i]) for i in range(len(query))],
                      [NONE] * len(query), 10)))  # fmt: skip
    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((keys, WIDTH), np.float32)
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    query = gallery[rng.permutation(keys)[:queries]].copy()
    positives = [np.array([i]) for i in range(queries)]
    Path("/proc/self/clear_refs").write_text("5")
    before, start = _peak(), time.perf_counter()
    for _ in rank(Problem(COSINE, query, gallery, positives, [NONE] * queries, 10)):
        pass
    return time.perf_counter() - start, _peak() - before


def _peak() -> float:
    """Return the high-water mark of resident memory, in MiB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
