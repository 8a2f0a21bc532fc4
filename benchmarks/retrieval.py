"""Measures exact retrieval against one matrix product and against what one would use instead.

Run: make bench-retrieval, or
python benchmarks/retrieval.py [--large] [--growth] [--write docs/benchmarks/retrieval.md]

faiss-cpu is measured where it can be imported, which `make` sees to outside the environment of the
project. Every ratio is taken between runs that alternate in one process, waiting passively.
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
GROWTH = ((2_000, 10_000), (2_000, 100_000), (2_000, 1_000_000))
LARGE = (50_000, 100_000)
GPU = {"flops": 0.6 * 19.5e12, "bytes": 1.5e12, "bus": 20e9}  # assumed of one A100, each a second
NEAR, FAR = 1.3, 4.0  # noise around a class: told apart with ease, and hardly


def main() -> None:
    """Print the tables; write them where asked."""
    options = _options()
    if options.grow:
        print(*_grown(*options.grow))
        return
    if options.both:
        print(*_both(*options.both))
        return
    lines = [*_head(), *_against_peers(options)]
    if options.large:
        lines += _large()
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
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", default="", help="words of the rows to measure, by comma")
    parser.add_argument("--large", action="store_true", help="also 50,000 x 100,000, with memory")
    parser.add_argument("--growth", action="store_true", help="also 10k, 100k and 1M keys")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--grow", nargs=2, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--both", nargs=2, type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _head() -> list[str]:
    return [
        "# Exact retrieval",
        "",
        f"{_machine()}, {os.cpu_count()} processors, torch {torch.__version__} on "
        f"{torch.get_num_threads()} threads, product by {engine_name()}; d = {WIDTH}, float32. "
        "Seconds are medians, ratios medians of ratios between runs that alternate in one process. "
        "Processor time adds up the threads and does not count what other processes took.",
        "",
        "Command: `make bench-retrieval`",
    ]


def _machine() -> str:
    """Return the processor's own name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), "?")


def _against_peers(options: argparse.Namespace) -> list[str]:
    """Time every way in turn, as ratios to one product."""
    queries, keys = options.queries, options.keys
    ways = _ways(*_vectors(queries, keys))
    missing = [name for name, way in ways.items() if way is None]
    wanted = [word for word in options.only.split(",") if word]
    chosen = {
        name: way for name, way in ways.items()
        if way is not None and (name == FLOOR or not wanted or any(w in name for w in wanted))
    }  # fmt: skip
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in chosen}
    for _ in range(options.rounds):
        for name, way in chosen.items():
            start, used = time.perf_counter(), time.process_time()
            way()
            times[name].append((time.perf_counter() - start, time.process_time() - used))
    lines = [
        "",
        f"## {queries:,} queries x {keys:,} keys, {options.rounds} rounds",
        "",
        "| way | seconds | to one product | processor time to one product |",
        "|---|---|---|---|",
    ]
    for name, taken in times.items():
        pairs = list(zip(taken, times[FLOOR], strict=True))
        wall, work = (statistics.median(a[i] / b[i] for a, b in pairs) for i in (0, 1))
        seconds = statistics.median(one[0] for one in taken)
        lines.append(f"| {name} | {seconds:.2f} | {wall:.2f} | {work:.2f} |")
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

    twenty, hundred = (_many(count, size, positives, noise=NEAR) for positives in (20, 100))
    mixed = _many(count, size, 20, noise=FAR)
    ways: dict[str, Callable[[], object] | None] = {
        FLOOR: lambda: _products(query, gallery),
        "torch.mm": lambda: _torch_products(query, gallery),
        "exact ranks": lambda: list(rank(problem(own, 0))),
        "exact ranks and the best 10": lambda: list(rank(problem(own, 10))),
        "exact ranks, both directions": lambda: both(0),
        "exact ranks and the best 10, both directions": lambda: both(10),
        "ranks of all positives, 20 a query": lambda: list(rank(twenty)),
        "ranks of all positives, 100 a query": lambda: list(rank(hundred)),
        "ranks of all positives, 20 a query, hardly told apart": lambda: list(rank(mixed)),
        "torch blocks, topk 10": lambda: _torch_best(query, gallery),
    }
    try:
        faiss = importlib.import_module("faiss")
    except ModuleNotFoundError:
        return {**ways, "faiss flat, best 10": None}
    inner = faiss.METRIC_INNER_PRODUCT
    return {**ways, "faiss flat, best 10": lambda: faiss.knn(query, gallery, 10, inner)}


def _many(queries: int, size: int, positives: int, *, noise: float) -> Problem:
    """A problem whose queries each have so many positives, scattered by noise around a centre."""
    rng = np.random.default_rng(1)
    classes = size // positives
    centres = rng.standard_normal((classes, WIDTH), np.float32)
    keys, asked = np.arange(size) % classes, rng.integers(0, classes, queries)
    noisy = [
        COSINE.prepare(centres[c] + noise * rng.standard_normal((len(c), WIDTH), np.float32))
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


def _large() -> list[str]:
    """Rank 50,000 x 100,000 both ways in a fresh process, and say what it adds to the inputs."""
    seconds, extra = _apart("--both", LARGE)
    pairs = 2 * LARGE[0] * LARGE[1] * WIDTH
    return ["", f"## {LARGE[0]:,} queries x {LARGE[1]:,} keys", "",
            f"Exact ranks and the best 10 in both directions: {seconds:.0f} s "
            f"({pairs / seconds / 1e9:.0f} GFLOP/s of one product), {extra:.0f} MiB above the "
            "inputs at the highest, in a fresh process."]  # fmt: skip


def _growth() -> list[str]:
    """Rank against ever more keys in fresh processes; time should follow N x M, memory nothing."""
    lines = ["", "## Growth", "", "| queries | keys | seconds | ns a pair | MiB above inputs |"]
    lines.append("|---|---|---|---|---|")
    rate = 0.0
    for queries, keys in GROWTH:
        seconds, extra = _apart("--grow", (queries, keys))
        rate = seconds / queries / keys
        lines.append(f"| {queries:,} | {keys:,} | {seconds:.2f} | {rate * 1e9:.2f} | {extra:.0f} |")
    return [*lines, *_on_paper(rate)]


def _on_paper(rate: float) -> list[str]:
    """Estimate BIOSCAN-5M here and on one GPU; nothing of it is measured."""
    queries, keys = BIOSCAN
    work = 2 * queries * keys * WIDTH
    minutes, gigabytes = queries * keys * rate / 60, 4 * keys * WIDTH / 1e9
    product, passes = work / GPU["flops"], 3 * 4 * queries * keys / GPU["bytes"]
    carried = 1e9 * gigabytes / GPU["bus"]
    return ["", "## BIOSCAN-5M, on paper", "",
            f"{queries:,} queries x {keys:,} DNA keys are {work:.1e} operations over "
            f"{gigabytes:.1f} GB of keys. At the last rate above that is {minutes:.0f} minutes on "
            "this machine.", "",
            "An estimate for one GPU, not a measurement, and no code here ranks on a GPU yet: at "
            f"{GPU['flops'] / 1e12:.0f} TFLOP/s in true float32 (60 % of the 19.5 of an A100) the "
            f"product takes {product:.0f} s; writing every score once and reading it twice at "
            f"{GPU['bytes'] / 1e12:.1f} TB/s adds {passes:.0f} s; carrying the keys over once at "
            f"{GPU['bus'] / 1e9:.0f} GB/s adds {carried:.1f} s. Together about "
            f"{product + passes + carried:.0f} s."]  # fmt: skip


def _apart(flag: str, sizes: tuple[int, int]) -> tuple[float, float]:
    """Return seconds and MiB above the inputs, measured in a process of its own."""
    command = [sys.executable, __file__, flag, *map(str, sizes)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(answer[0]), float(answer[1])


def _both(queries: int, keys: int) -> tuple[float, float]:
    """Return seconds and MiB above the inputs of both directions at once."""
    _grown(8, 64)
    query, gallery = _vectors(queries, keys)
    own = [np.array([i]) for i in range(queries)]
    back = [own[j] if j < queries else NONE for j in range(keys)]
    forward = Problem(COSINE, query, gallery, own, [NONE] * queries, 10)
    backward = Problem(COSINE, gallery, query, back, [NONE] * keys, 10)
    Path("/proc/self/clear_refs").write_text("5")
    before, start = _peak(), time.perf_counter()
    rank_both(forward, backward)
    return time.perf_counter() - start, _peak() - before


def _grown(queries: int, keys: int) -> tuple[float, float]:
    """Return seconds and MiB that ranking adds to the high-water mark of a process."""
    query, gallery = _vectors(8, 64)
    list(rank(Problem(COSINE, query, gallery, [np.array([i]) for i in range(8)], [NONE] * 8, 10)))
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
