"""Kills a small run at seeded random moments and resumes it, until every end equals the first.

Run: python scripts/soak_resume.py [--rounds 50] [--seed 0] [--jobs 2] [--out FOLDER]
Prints a line per round, with the stage that the kill met; exits 1 when a resumed run's metrics.json
differs by a byte, or when the kills missed a stage. Rounds are independent, each in a folder of its
own, so as many run beside each other as there are processors.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from workbench.seeding import keyed_rng

ROOT = Path(__file__).resolve().parent.parent
STAGES = ("pretrain", "align", "embed", "evaluate")
TRIES = 10
TERM_SECONDS = 20.0

PIPELINE = """\
name: soak
seed: 5
manifest: {synthetic: clinic, subjects: 24}
modalities:
  ecg:
    options: {rate_hz: 100, seconds: 4}
    encoder: {name: vit1d_tiny, options: {width: 16, heads: 2, depth: 1, stem: 8}}
    adapt: {lora: {rank: 4, alpha: 8}}
  report:
    options: {max_tokens: 48, vocabulary: 512}
    encoder: {name: text_tiny, options: {width: 16, heads: 2, blocks: 1}}
    adapt: {lora: {rank: 4, alpha: 8}}
pretrain:
  ecg: {epochs: 4, batch_size: 8, precision: fp32, checkpoint_every: 2}
align:
  edges: {anchor: report}
  dim: 8
  batch_size: 8
  epochs: 4
  precision: fp32
  checkpoint_every: 2
evaluate:
  - {task: retrieval, query: ecg, gallery: report, relation: same_label, label: ecg_finding}
replicates: 100
controls: {random_frozen: 0, unaligned: true}
"""


@dataclass(frozen=True)
class Run:
    """One command in one folder, started as often as it takes."""

    pipeline: Path
    folder: Path

    def start(self) -> subprocess.Popen[bytes]:
        """Start the command in a process group of its own; what it says goes to `said`."""
        self.said.parent.mkdir(parents=True, exist_ok=True)
        line = [sys.executable, "-m", "workbench", "run", str(self.pipeline), "--out"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with open(self.said, "wb") as stream:
            return subprocess.Popen(
                [*line, str(self.folder)], env=environment, cwd=self.pipeline.parent,
                stdout=subprocess.DEVNULL, stderr=stream, start_new_session=True,
            )  # fmt: skip

    @property
    def said(self) -> Path:
        """What the latest process wrote on standard error."""
        return self.folder.with_name(f"{self.folder.name}.stderr")

    def metrics(self) -> bytes:
        """Return metrics.json; empty when there is none."""
        path = self.folder / "metrics.json"
        return path.read_bytes() if path.is_file() else b""

    def stage(self) -> str:
        """Return the stage that was announced last; empty before the first."""
        found = re.findall(r"^\[[ \d.]+ s\] (\w+)", self.said.read_text(), re.MULTILINE)
        return str(found[-1]) if found else ""

    def left_over(self) -> list[str]:
        """Return what a finished run must not leave."""
        names = ["progress", "run.lock"]
        found = [n for n in names if (self.folder / n).exists()]
        return found + [str(p.relative_to(self.folder)) for p in self.folder.rglob("*.tmp")]


def main() -> None:
    """Measure a reference, then kill, resume and compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "soak-resume")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.out, ignore_errors=True)
    arguments.out.mkdir(parents=True)
    pipeline = arguments.out.resolve() / "soak.yaml"
    pipeline.write_text(PIPELINE)
    reference = Run(pipeline, pipeline.parent / "reference")
    lengths = measured(reference)
    print("reference:", ", ".join(f"{k} {v:.1f} s" for k, v in lengths.items()))
    expected = reference.metrics()
    soak = Soak(pipeline, lengths, expected, arguments.seed)
    begun = time.monotonic()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        rows = list(pool.map(soak.round, range(arguments.rounds)))
        seconds = time.monotonic() - begun
        broken = [why for _, why in rows if why != "equal"]
        met = Counter(stage for stage, _ in rows)
        for stage in sorted({*STAGES, *met}, key=lambda s: (s not in STAGES, s)):
            print(f"killed in {stage:<9} {met[stage]:3d}")
        print(f"{len(rows) - len(broken)} of {len(rows)} resumed to the same bytes "
              f"in {seconds:.0f} s")  # fmt: skip
        missed = [s for s in STAGES if not met[s]] if arguments.rounds >= len(STAGES) else []
        broken += [f"no kill met {stage}" for stage in missed]
        broken += [why for why in pool.map(soak.terminated, STAGES) if why]
    broken += second_refused(pipeline, expected)
    print("\n".join(broken) or "all kept")
    sys.exit(1 if broken else 0)


def measured(run: Run) -> dict[str, float]:
    """Run to the end and return the seconds of every stage."""
    process, begun, names = run.start(), [time.monotonic()], [""]
    while process.poll() is None:
        stage = run.stage()
        if stage != names[-1]:
            names.append(stage)
            begun.append(time.monotonic())
        time.sleep(0.01)
    if process.returncode != 0:
        raise SystemExit(f"the reference run failed: {run.said.read_text()}")
    ends = pairwise([*begun, time.monotonic()])
    return {n: b - a for n, (a, b) in zip(names, ends, strict=True) if n in STAGES}


@dataclass(frozen=True)
class Soak:
    """What every round is held against.

    Attributes:
        pipeline: the file that all rounds run.
        lengths: seconds of each stage in the reference run.
        expected: metrics.json of the reference run.
        seed: of the moments.
    """

    pipeline: Path
    lengths: dict[str, float]
    expected: bytes
    seed: int

    def round(self, number: int) -> tuple[str, str]:
        """Return the stage in which a run was killed, and what became of it."""
        run = Run(self.pipeline, self.pipeline.parent / f"round-{number:02d}")
        aim = STAGES[number % len(STAGES)]
        begun = time.monotonic()
        stage = killed(run, self.lengths, aim, (self.seed, number))
        why = resumed(run, self.expected)
        seconds = time.monotonic() - begun
        print(f"round {number + 1:2d}: killed in {stage}, {why} ({seconds:.0f} s)", flush=True)
        return stage, why

    def terminated(self, stage: str) -> str:
        """Stop a run by SIGTERM in a stage; return what was not as promised, or nothing."""
        run = Run(self.pipeline, self.pipeline.parent / f"term-{stage}")
        process = reach(run, stage)
        time.sleep(0.3 * self.lengths[stage])
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = process.wait()
        seconds = time.monotonic() - begun
        why = resumed(run, self.expected)
        told = f"SIGTERM in {stage}: exit code {code} after {seconds:.1f} s, then {why}"
        print(told, flush=True)
        kept = code == 128 + signal.SIGTERM and seconds <= TERM_SECONDS and why == "equal"
        return "" if kept else told


def killed(run: Run, lengths: dict[str, float], stage: str, key: tuple[int, int]) -> str:
    """Kill a run at a random moment of a stage, and return the stage that it was in."""
    for attempt in range(TRIES):
        shutil.rmtree(run.folder, ignore_errors=True)
        share = keyed_rng("soak", *key, attempt).uniform()
        process = reach(run, stage)
        time.sleep(share * lengths[stage])
        hit = run.stage()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return hit
    raise SystemExit(f"{run.folder.name}: {TRIES} runs ended before they could be killed")


def reach(run: Run, stage: str) -> subprocess.Popen[bytes]:
    """Start a run and return once it has come to a stage, or has ended."""
    process = run.start()
    while process.poll() is None and run.stage() != stage:
        time.sleep(0.005)
    return process


def resumed(run: Run, expected: bytes) -> str:
    """Run the same command to its end and say how it compares."""
    code = run.start().wait()
    if code != 0:
        lines = run.said.read_text().strip().splitlines()
        return f"exit code {code}: {lines[-1] if lines else 'nothing said'}"
    if run.metrics() != expected:
        return "metrics.json differs"
    if run.left_over():
        return f"left over: {', '.join(run.left_over())}"
    shutil.rmtree(run.folder)
    return "equal"


def second_refused(pipeline: Path, expected: bytes) -> Iterator[str]:
    """Start a second run in the folder of a living one; yield what was not as promised.

    The first is held meanwhile, so that it lives for as long as the second takes to start.
    """
    run = Run(pipeline, pipeline.parent / "twice")
    first = reach(run, "align")
    first.send_signal(signal.SIGSTOP)
    line = [sys.executable, "-m", "workbench", "run", str(pipeline), "--out", str(run.folder)]
    second = subprocess.run(line, capture_output=True, text=True, check=False)
    first.send_signal(signal.SIGCONT)
    print(f"second run: exit code {second.returncode}, {second.stderr.strip()}")
    if second.returncode != 2 or f"process {first.pid} on" not in second.stderr:
        yield f"a second run was not refused by name: {second.stderr.strip()}"
    first.wait()
    if run.metrics() != expected:
        yield "a refused second run changed the first"


if __name__ == "__main__":
    main()
