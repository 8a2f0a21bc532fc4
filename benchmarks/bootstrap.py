"""Measures bootstrap intervals of AUROCs against a loop over scikit-learn and against torchmetrics.

Run: make bench-bootstrap, or python benchmarks/bootstrap.py [--write docs/benchmarks/bootstrap.md]

The peers are measured on a few replicates each, in turn with ours in one process, and scaled to all
of them; a peer that is not installed is named and left out.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from eval.areas import area, macro_area  # noqa: E402
from eval.intervals import Resampler  # noqa: E402

LABELS, REPLICATES, FEW, ROUNDS = 14, 1000, 10, 3
OURS = "ours, 14 labels one by one"


def main() -> None:
    """Print the table; write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=25_000)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print(_memory(options.rows))
        return
    page = "\n".join([*_head(), *_times(options.rows), *_above_inputs(options.rows)]) + "\n"
    print(page)
    if options.write:
        options.write.write_text(page, encoding="utf-8")


def _head() -> list[str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    machine = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "?")
    return [
        f"# {REPLICATES:,} bootstrap replicates of {LABELS} AUROCs",
        "",
        f"{machine}, {os.cpu_count()} processors, numpy {np.__version__}. Patients of two rows are "
        f"drawn. Medians of {ROUNDS}, ratios from alternating runs in one process; peers ran {FEW} "
        "replicates of every label and are scaled.",
        "",
        "Command: `make bench-bootstrap`",
    ]


def _times(rows: int) -> list[str]:
    """Time every way in turn, as ratios to ours."""
    scores, truth, resampler = _data(rows)
    ways = _ways(scores, truth, resampler)
    times: dict[str, list[float]] = {name: [] for name, way in ways.items() if way is not None}
    for _ in range(ROUNDS):
        for name in times:
            way = ways[name]
            start = time.perf_counter()
            share = way() if way is not None else 1.0
            times[name].append((time.perf_counter() - start) / share)
    lines = ["", "| way | seconds | to ours |", "|---|---|---|"]
    for name, taken in times.items():
        ratio = statistics.median(a / b for a, b in zip(taken, times[OURS], strict=True))
        lines.append(f"| {name} | {statistics.median(taken):.2f} | {ratio:.1f} |")
    missing = [name for name, way in ways.items() if way is None]
    return [*lines, *(f"\n{name}: not installed, not measured." for name in missing)]


def _ways(
    scores: np.ndarray, truth: np.ndarray, resampler: Resampler
) -> dict[str, Callable[[], float] | None]:
    """Return what is measured; each returns the share of the replicates that it did."""
    return {
        OURS: lambda: _ours(scores, truth, _fresh(resampler)),
        "ours, macro average": lambda: _ours_macro(scores, truth, _fresh(resampler)),
        "ours, one by one, scores of two decimals": lambda: _ours(
            scores.round(2), truth, _fresh(resampler)
        ),
        "scikit-learn roc_auc_score, double loop": _sklearn(scores, truth, resampler),
        "torchmetrics BootStrapper(MultilabelAUROC)": _torchmetrics(scores, truth),
    }


def _fresh(resampler: Resampler) -> Resampler:
    """Return the same replicates not yet drawn, so that drawing them is part of the time."""
    return Resampler(resampler.groups, resampler.seed, resampler.replicates)


def _ours(scores: np.ndarray, truth: np.ndarray, resampler: Resampler) -> float:
    for label in range(LABELS):
        one = area("auroc", scores[:, label], truth[:, label], index=resampler.index)
        resampler.draw(one)
    return 1.0


def _ours_macro(scores: np.ndarray, truth: np.ndarray, resampler: Resampler) -> float:
    resampler.draw(macro_area("auroc", scores, truth, index=resampler.index))
    return 1.0


def _sklearn(
    scores: np.ndarray, truth: np.ndarray, resampler: Resampler
) -> Callable[[], float] | None:
    """Return the loop over replicates and labels, drawing the same patients."""
    try:
        metrics = importlib.import_module("sklearn.metrics")
    except ModuleNotFoundError:
        return None
    members = [np.flatnonzero(resampler.index == g) for g in range(len(resampler.names))]

    def loop() -> float:
        rng = np.random.default_rng(0)
        for _ in range(FEW):
            drawn = rng.integers(0, len(members), len(members))
            rows = np.concatenate([members[g] for g in drawn])
            for label in range(LABELS):
                metrics.roc_auc_score(truth[rows, label], scores[rows, label])
        return FEW / REPLICATES

    return loop


def _torchmetrics(scores: np.ndarray, truth: np.ndarray) -> Callable[[], float] | None:
    """Return its bootstrap; it draws rows, not patients."""
    try:
        wrappers = importlib.import_module("torchmetrics.wrappers")
        classification = importlib.import_module("torchmetrics.classification")
        torch = importlib.import_module("torch")
    except ModuleNotFoundError:
        return None
    chances = torch.from_numpy(1 / (1 + np.exp(-scores))).float()
    targets = torch.from_numpy(truth).long()

    def strap() -> float:
        base = classification.MultilabelAUROC(num_labels=LABELS, average=None, thresholds=None)
        several = wrappers.BootStrapper(base, num_bootstraps=FEW, sampling_strategy="multinomial")
        several.update(chances, targets)
        several.compute()
        return FEW / REPLICATES

    return strap


def _data(rows: int) -> tuple[np.ndarray, np.ndarray, Resampler]:
    """Return scores and truth of 14 findings, 2 to 30 % common, two rows to a patient."""
    rng = np.random.default_rng(0)
    truth = (rng.random((rows, LABELS)) < rng.uniform(0.02, 0.3, LABELS)).astype(np.float64)
    scores = (rng.standard_normal((rows, LABELS)) + truth).astype(np.float32).astype(np.float64)
    return scores, truth, Resampler(tuple(f"p{row // 2}" for row in range(rows)), 0, REPLICATES)


def _above_inputs(rows: int) -> list[str]:
    command = [sys.executable, __file__, "--rows", str(rows), "--memory"]
    extra = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return ["", f"Ours adds {float(extra):.0f} MiB to the high-water mark of a fresh process."]


def _memory(rows: int) -> float:
    """Return the MiB that ours adds to the high-water mark of this process."""
    scores, truth, resampler = _data(rows)
    small = Resampler(tuple("abcd"), 0, 2)
    small.draw(area("auroc", np.arange(4.0), np.array([0.0, 1, 0, 1]), index=small.index))
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    _ours(scores, truth, resampler)
    return _peak() - before


def _peak() -> float:
    """Return the high-water mark of resident memory, in MiB."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
