"""Kills a batch evaluation twice, however it is spread, and compares its table with an undisturbed one.

Run: python scripts/soak_evaluate.py [--seed 0] [--out FOLDER]
Three small runs are trained, the vectors of one are handed over as a stranger would, and all are
evaluated: in one process, in two, in three shards, and by two Ray workers where Ray is installed.
Exits 1 when a file of results differs by a byte.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from soak_resume import PIPELINE

import workbench as wb
from workbench.seeding import keyed_rng

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 120.0
SHARDS = 3

TASKS = """\
seed: 5
replicates: 500
evaluate:
  - {task: retrieval, query: ecg, gallery: report}
  - {task: retrieval, query: ecg, gallery: report, relation: same_label, label: ecg_finding}
  - {task: knn, query: ecg, label: ecg_finding, k: [1, 5]}
  - {task: probe, query: ecg, label: ecg_finding, by: [values]}
"""
STORE = """\
name: stranger
manifest: {path: rows.csv}
modalities:
  ecg: {vectors: ecg.npy, ids: ecg.txt}
  report: {vectors: report.npy, ids: report.txt}
"""


def main() -> None:
    """Train, evaluate undisturbed, then kill, resume and compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "soak-evaluate")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / "tasks.yaml").write_text(TASKS)
    stores = trained(out)
    stores.append(handed_over(stores[0], out / "stranger"))
    finish(words(stores, out, "undisturbed"))
    expected = files(out / "undisturbed")
    units = sum(name.endswith(".json") for name in expected)
    print(f"undisturbed: {units} results")
    different = [*spread(stores, out, arguments.seed, units), sharded(stores, out)]
    if importlib.util.find_spec("ray") is None:
        print("ray is not installed: not tried")
    else:
        with cluster(out):
            more = ["--executor", "ray", "--workers", "2"]
            different.append(killed_twice(stores, out, "ray", more, (arguments.seed, units)))
    sys.exit(1 if any(different) else 0)


def trained(out: Path) -> list[Path]:
    """Train a small pipeline under three seeds."""
    pipeline = out / "soak.yaml"
    pipeline.write_text(PIPELINE)
    runs = [out / f"run-{seed}" for seed in (1, 2, 3)]
    for seed, run in enumerate(runs, start=1):
        line = ["run", str(pipeline), "--set", f"seed={seed}", "--out", str(run)]
        finish([sys.executable, "-m", "workbench", *line])
    return runs


def handed_over(run: Path, folder: Path) -> Path:
    """Write the vectors of a run as arrays, lists of ids, a table and a `store.yaml`."""
    folder.mkdir()
    space = wb.open(run).space
    for key, found in space.vectors.items():
        np.save(folder / f"{key}.npy", found.values)
        (folder / f"{key}.txt").write_text("\n".join(found.ids))
    rows = space.rows
    columns = (rows.ids, rows.groups, rows.splits, rows.columns["ecg_finding"])
    with open(folder / "rows.csv", "w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "group", "split", "ecg_finding"])
        table.writerows(zip(*columns, strict=True))
    (folder / "store.yaml").write_text(STORE)
    return folder


def spread(stores: Sequence[Path], out: Path, seed: int, units: int) -> Iterator[bool]:
    """Kill and compare jobs in one process and in two; yield whether a file differs."""
    yield killed_twice(stores, out, "one", [], (seed, units))
    yield killed_twice(stores, out, "two", ["--workers", "2"], (seed, units))


def killed_twice(
    stores: Sequence[Path], out: Path, name: str, more: Sequence[str], key: tuple[int, int]
) -> bool:  # fmt: skip
    """Kill a job at two random moments, resume it, and return whether a file differs."""
    line = [*words(stores, out, name), *more]
    seed, units = key
    moments = sorted(keyed_rng("soak", name, seed).choice(range(1, units - 2), 2, replace=False))
    for moment in moments:
        process = subprocess.Popen(line, start_new_session=True, stderr=subprocess.DEVNULL)
        ends = time.monotonic() + SECONDS
        while process.poll() is None and len(results(out / name)) < moment:
            if time.monotonic() > ends:
                raise SystemExit(f"{name}: fewer than {moment} results in {SECONDS:.0f} s")
            time.sleep(0.005)
        if process.poll() is not None:
            raise SystemExit(f"{name}: it ended before it could be killed at {moment}")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        print(f"{name}: killed at {len(results(out / name))} of {units} results", flush=True)
    finish(line)
    return compared(out, name)


def sharded(stores: Sequence[Path], out: Path) -> bool:
    """Do a job in shards at once, merge, and return whether a file differs."""
    line = words(stores, out, "shards")
    jobs = [subprocess.Popen([*line, "--shard", f"{n}/{SHARDS}"], stderr=subprocess.DEVNULL)
            for n in range(1, SHARDS + 1)]  # fmt: skip
    for job in jobs:
        job.wait()
    finish([sys.executable, "-m", "workbench", "evaluate", "--merge", str(out / "shards")])
    return compared(out, "shards")


@contextmanager
def cluster(out: Path) -> Iterator[None]:
    """Hold a Ray cluster of two CPUs, so that killing a job does not kill its workers' host."""
    ray = str(Path(sys.executable).parent / "ray")
    line = [ray, "start", "--head", "--block", "--num-cpus", "2", "--include-dashboard", "false"]
    with open(out / "ray.log", "wb") as log:
        process = subprocess.Popen(line, start_new_session=True, stdout=log, stderr=log)
    ends = time.monotonic() + SECONDS
    while "Ray runtime started" not in (out / "ray.log").read_text():
        if process.poll() is not None or time.monotonic() > ends:
            raise SystemExit(f"ray did not start: {out / 'ray.log'}")
        time.sleep(0.2)
    os.environ["RAY_ADDRESS"] = "auto"
    try:
        yield
    finally:
        del os.environ["RAY_ADDRESS"]
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def words(stores: Sequence[Path], out: Path, name: str) -> list[str]:
    """Return the command of a job."""
    return [sys.executable, "-m", "workbench", "evaluate", *map(str, stores), "--tasks",
            str(out / "tasks.yaml"), "--out", str(out / name)]  # fmt: skip


def finish(line: Sequence[str]) -> None:
    """Run a command to its end, which must be a good one."""
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(line[2:5])}: exit code {done.returncode}\n{done.stderr}")


def results(job: Path) -> list[Path]:
    """Return the numbers that a job has so far."""
    return [path for path in job.glob("results/*/*.json") if "error" not in path.name]


def files(job: Path) -> dict[str, bytes]:
    """Return the table and every file of results."""
    found = [*job.glob("results.*"), *job.glob("failures.csv"), *job.glob("results/*/*")]
    whole = [path for path in found if path.is_file() and path.suffix != ".tmp"]
    return {str(path.relative_to(job)): path.read_bytes() for path in whole}


def compared(out: Path, name: str) -> bool:
    """Say how a job's files compare with the undisturbed one's; return whether they differ."""
    expected, found = files(out / "undisturbed"), files(out / name)
    different = sorted(k for k in {*expected, *found} if expected.get(k) != found.get(k))
    some = f"{len(different)} files differ, such as {different[:3]}"
    print(f"{name}: {some if different else f'{len(expected)} files equal'}")
    return bool(different)


if __name__ == "__main__":
    main()
