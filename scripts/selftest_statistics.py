"""Holds the statistics to what they promise, on simulated patients whose truth is known.

Run: python scripts/selftest_statistics.py [--simulations 1000] [--write docs/benchmarks/statistics.md]
Exits 1 when a rate lies outside its bounds. Legend: G groups, n samples, S simulations.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.areas import area
from eval.compare_tests import holm, swap_test
from eval.intervals import Resampler, Statistic
from eval.retrieval import Retrieval, RetrievalOptions
from eval.space import Rows, Space, Vectors
from eval.task import Context
from eval.weighted import macro_mean, mean
from eval.zero_shot import ZeroShot, ZeroShotOptions
from pipelines.check import check_plan
from pipelines.plan import make_plan
from workbench import registry
from workbench.errors import Refusal
from workbench.seeding import keyed_rng

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Drawn = tuple[Callable[[Ints], Statistic], float]
"""How to measure one simulated cohort, given its groups' numbers, and the true value."""

SEED = 20
CORRELATION = 0.6
PER_DESIGN = 50
"""Simulations that share group sizes, and with them the replicates."""
IMAGES = 5
CLASSES = 4
COMPARISONS, FAMILY_GROUPS, PERMUTATIONS, LEVEL = 20, 40, 2000, 0.05


@dataclass(frozen=True)
class Finding:
    """One line of the page.

    Attributes:
        name: what was simulated.
        value: the rate that was found.
        low: the least it may be.
        high: the most it may be.
        count: how many simulations it rests on.
    """

    name: str
    value: float
    low: float
    high: float
    count: int

    @property
    def kept(self) -> bool:
        """Whether the rate lies within its bounds."""
        return self.low <= self.value <= self.high


@dataclass(frozen=True)
class Cohort:
    """The groups of a simulated cohort.

    Attributes:
        sizes: (G,) samples of each group.
        rng: draws everything about them.
    """

    sizes: Ints
    rng: np.random.Generator

    @property
    def owner(self) -> Ints:
        """(n,) the group of every sample."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def noise(self) -> Reals:
        """Return (n,) standard normal numbers that correlate by 0.6 inside a group."""
        shared = self.rng.standard_normal(len(self.sizes))[self.owner]
        own = self.rng.standard_normal(len(shared))
        return np.asarray(np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own)


def main() -> None:
    """Simulate, print the table, write the page, and exit 1 when a bound is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    begun = time.monotonic()
    found = everything(arguments.simulations, arguments.replicates, workers=arguments.workers)
    page = page_text(found, arguments.simulations, arguments.replicates)
    if arguments.write is not None:
        arguments.write.write_text(page)
    print(page)
    print(f"{time.monotonic() - begun:.0f} s", file=sys.stderr)
    sys.exit(0 if all(line.kept for line in found) else 1)


def everything(simulations: int, replicates: int, *, workers: int) -> list[Finding]:
    """Return every line of the page; the numbers depend on no number of workers."""
    jobs: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (covered, (kind, by, simulations, replicates)) for kind, by in CASES
    ]
    jobs += [(family_error, (simulations,)), (off_chance, ()), (leaks_missed, ())]
    with ProcessPoolExecutor(workers) as pool:
        futures = [pool.submit(work, *given) for work, given in jobs]
        return [future.result() for future in futures]


def auroc(cohort: Cohort) -> Drawn:
    """Draw scores of patients with a finding and without, all images of a patient alike in it."""
    sick = (cohort.rng.random(len(cohort.sizes)) < 0.4).astype(np.float64)[cohort.owner]
    scores = 1.2 * sick + cohort.noise()
    truth = NormalDist().cdf(1.2 / np.sqrt(2))
    return lambda index: area("auroc", scores, sick, index=index), truth


def permuted(cohort: Cohort) -> Drawn:
    """Draw scores of a model that works, then deal the patients' labels out anew."""
    sick = (cohort.rng.random(len(cohort.sizes)) < 0.4).astype(np.float64)
    scores = 1.2 * sick[cohort.owner] + cohort.noise()
    dealt = cohort.rng.permutation(sick)[cohort.owner]
    return lambda index: area("auroc", scores, dealt, index=index), 0.5


def hit(cohort: Cohort) -> Drawn:
    """Draw whether each query finds its item first; some patients are easier than others."""
    hits = (cohort.noise() > 0.3).astype(np.float64)
    return lambda index: mean(hits, index), NormalDist().cdf(-0.3)


def macro_accuracy(cohort: Cohort) -> Drawn:
    """Draw right and wrong answers for four classes of different difficulty."""
    classes = cohort.rng.integers(0, CLASSES, len(cohort.sizes))[cohort.owner]
    bars = np.array([-1.0, -0.4, 0.2, 0.8])
    right = (cohort.noise() > bars[classes]).astype(np.float64)
    truth = float(np.mean([NormalDist().cdf(-bar) for bar in bars]))
    return lambda index: macro_mean(right, classes, index), truth


DRAWS: dict[str, Callable[[Cohort], Drawn]] = {
    "AUROC": auroc, "hit@1": hit, "macro accuracy": macro_accuracy, "permuted labels": permuted,
}  # fmt: skip
CASES = (
    ("AUROC", "patient"), ("hit@1", "patient"), ("macro accuracy", "patient"),
    ("permuted labels", "patient"), ("AUROC", "image"), ("hit@1", "image"),
)  # fmt: skip


def covered(kind: str, by: str, simulations: int, replicates: int) -> Finding:
    """Return how often the 95 % interval holds the truth.

    By patient: 100 to 160 groups of 1 to 8 samples. By image, which is wrong and must be seen to
    be: 100 patients of five images each, every image taken for a patient.
    """
    inside = 0
    for design in range(-(-simulations // PER_DESIGN)):
        rng = keyed_rng(SEED, kind, by, design)
        groups = int(rng.integers(100, 161)) if by == "patient" else 100
        sizes = rng.integers(1, 9, groups) if by == "patient" else np.full(groups, IMAGES)
        cohort = Cohort(sizes, rng)
        units = cohort.owner if by == "patient" else np.arange(len(cohort.owner))
        resampler = Resampler([f"g{u:04d}" for u in units], design, replicates)
        for _ in range(min(PER_DESIGN, simulations - design * PER_DESIGN)):
            statistic, truth = DRAWS[kind](cohort)
            found = resampler.estimate(statistic(resampler.index))
            if found.low is not None and found.high is not None:
                inside += found.low <= truth <= found.high
    low, high = bounds(kind, by, simulations)
    name = f"{kind}, interval by {by}" + (" (must fail)" if by == "image" else "")
    return Finding(name, inside / simulations, low, high, simulations)


def bounds(kind: str, by: str, simulations: int) -> tuple[float, float]:
    """Return the rates that are accepted, wider by three standard errors where simulations are few."""
    if by == "image":
        return 0.0, 0.9
    low, high = (0.93, 1.0) if kind == "permuted labels" else (0.93, 0.97)
    if simulations >= 1000:
        return low, high
    slack = 3 * float(np.sqrt(0.05 * 0.95 / simulations))
    return max(0.0, 0.95 - slack), min(1.0, 0.95 + slack)


def family_error(simulations: int, permutations: int = PERMUTATIONS) -> Finding:
    """Return how often 20 comparisons of equal models, Holm-adjusted, claim a difference.

    Two models answer the same 1 to 8 queries of 40 patients; what makes a patient hard is hard
    for both.
    """
    wrong = 0
    for s in range(simulations):
        rng = keyed_rng(SEED, "family", s)
        cohort = Cohort(rng.integers(1, 9, FAMILY_GROUPS), rng)
        hard = rng.standard_normal(FAMILY_GROUPS)[cohort.owner]
        index = np.concatenate([cohort.owner, cohort.owner + FAMILY_GROUPS])
        values = []
        for c in range(COMPARISONS):
            both = [(cohort.noise() + hard > 0).astype(np.float64) for _ in range(2)]
            values.append(
                swap_test(mean(np.concatenate(both), index), FAMILY_GROUPS,
                          seed=s * COMPARISONS + c, permutations=permutations)
            )  # fmt: skip
        wrong += any(p is not None and p <= LEVEL for p in holm(values))
    high = 0.06
    if simulations < 1000:
        high = 0.05 + 3 * float(np.sqrt(0.05 * 0.95 / simulations))
    name = f"{COMPARISONS} null comparisons, families with an error after Holm"
    return Finding(name, wrong / simulations, 0.0, high, simulations)


def off_chance() -> Finding:
    """Return how far the numbers of a constant encoder lie from the chance printed beside them."""
    gaps = [abs(row.value - row.chance) for row in constant_rows() if row.chance is not None]
    return Finding("constant encoder, farthest from chance", max(gaps), 0.0, 1e-12, len(gaps))


def constant_rows() -> Iterator[Any]:
    """Yield the defined rows of searches and classifications with equal vectors."""
    rng = keyed_rng(SEED, "constant")
    count = 90
    ids = tuple(f"r{i:02d}" for i in range(count))
    labels = [f"c{k}" for k in rng.integers(0, 3, count)]
    rows = Rows(ids, ids, ("test",) * count, {"finding": labels})
    one = np.full((count, 8), 8**-0.5, dtype=np.float32)
    texts = {"report": {f"a c{k}": one[0] for k in range(3)}}
    vectors = {name: Vectors(ids, one) for name in ("ecg", "report")}
    space = Space("control:constant", vectors, rows, texts)
    with tempfile.TemporaryDirectory() as folder:
        prompts = Path(folder) / "p.yaml"
        prompts.write_text(
            'name: p\ntemplates: ["a {}"]\nclasses: [{id: c0}, {id: c1}, {id: c2}]\n'
        )
        context = Context(0, Path(folder), replicates=0)
        asked = [RetrievalOptions(query="ecg", gallery="report"),
                 RetrievalOptions(query="ecg", gallery="report", relation="same_label",
                                  label="finding")]  # fmt: skip
        for options in asked:
            yield from _defined(Retrieval().run(space, options, context).rows)
        classes = ZeroShotOptions(query="ecg", anchor="report", label="finding",
                                  prompts=prompts.name)  # fmt: skip
        yield from _defined(ZeroShot().run(space, classes, context).rows)


def _defined(rows: Sequence[Any]) -> Iterator[Any]:
    return (row for row in rows if row.value is not None)


LEAKS = ("none", "group", "file", "study")


def leaks_missed() -> Finding:
    """Return how many planted leaks gave no error, or an error where none was planted."""
    with tempfile.TemporaryDirectory() as folder:
        missed = sum(_refused(Path(folder), leak) != (leak != "none") for leak in LEAKS)
    return Finding("planted leak, checks that gave the wrong answer", missed, 0, 0, len(LEAKS))


def _refused(folder: Path, leak: str) -> bool:
    """Check a manifest of four invented recordings, one of which is spoilt."""
    ecg = registry.modality("ecg")
    lines = []
    for n, split in enumerate(("train", "train", "val", "test")):
        cell = ecg.synthesize(ecg.findings[0].name, keyed_rng(SEED, leak, n), folder)
        lines.append([f"r{n}", f"p{n}", f"s{n}", split, cell, f"Recording number {n}."])
    column = {"group": 1, "study": 2, "file": 4}.get(leak)
    if column is not None:
        lines[3][column] = lines[0][column]
    head = "id,group,study_id,split,ecg,report"
    (folder / "rows.csv").write_text("\n".join([head, *map(",".join, lines)]) + "\n")
    (folder / "leak.yaml").write_text(
        "name: leak\nmanifest: {path: rows.csv}\n"
        "modalities: {ecg: {encoder: {name: vit1d_tiny}}, report: {encoder: {name: text_tiny}}}\n"
        "align: {epochs: 1}\n"
    )
    try:
        check_plan(make_plan(folder / "leak.yaml"))
    except Refusal as refusal:
        return refusal.code.startswith("E-MAN-00")
    return False


def page_text(found: Sequence[Finding], simulations: int, replicates: int) -> str:
    """Return the Markdown page."""
    head = [
        "# Statistics against known truths", "",
        "Made by `make selftest-statistics`. Patients are simulated whose true values are known;",
        f"samples of one patient correlate by {CORRELATION} (before the cut into right and wrong).",
        f"Intervals are 95 % BCa from {replicates:,} replicates over patients. `interval by image`",
        "takes each of a patient's five images for a patient, and must be seen to fail. A family is",
        f"{COMPARISONS} comparisons of equal models on {FAMILY_GROUPS} patients, by group-swap",
        f"permutation ({PERMUTATIONS:,}) and Holm.", "",
        "| simulation | found | accepted | rests on |", "|---|---|---|---|",
    ]  # fmt: skip
    lines = [f"| {f.name} | {f.value:.3g} | {f.low:.3g} to {f.high:.3g} | {f.count:,} |"
             for f in found]  # fmt: skip
    broken = [f"- {f.name}: {f.value:.3g}" for f in found if not f.kept]
    verdict = ["", "Out of bounds:", *broken] if broken else ["", "All within bounds."]
    return "\n".join([*head, *lines, *verdict]) + "\n"


if __name__ == "__main__":
    main()
