"""Memory and time of one contrastive step whose batch would not fit, by gradient caching.

    python -m benchmarks.any_batch --write docs/benchmarks/any-batch.md

Each case is a process of its own, so that its peak memory is its own; the samples of a case are
generated as they are asked for. "Resident" is the process before the step, libraries included.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.align import Alignment
    from pipelines.batch import Shelf
    from pipelines.plan import Part

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

PIPELINE = """\
name: any-batch
manifest: {{synthetic: clinic, subjects: 8}}
modalities:
  {first}
  report:
    options: {{max_tokens: 64}}
    encoder: {{name: text_tiny}}
    augment: false
    adapt: {{lora: {{rank: 8, alpha: 16}}}}
align: {{edges: all, dim: 128, batch_size: {batch}, precision: fp32}}
"""
ECG = """ecg:
    options: {rate_hz: 100, seconds: 10}
    encoder: {name: vit1d_tiny, options: {depth: 2}}
    augment: false
    adapt: {lora: {rank: 8, alpha: 16}}"""
OCT = """oct:
    options: {size: [48, 128, 128]}
    encoder: {name: vit3d_tiny}
    augment: false
    adapt: {lora: {rank: 8, alpha: 16}}"""
CASES = {
    "ECG + report, 512, whole batch": (ECG, "ecg", 512, None),
    "ECG + report, 512, parts of 64": (ECG, "ecg", 512, 64),
    "ECG + report, 4096, parts of 64": (ECG, "ecg", 4096, 64),
    "OCT 48x128x128 + report, 32, whole batch": (OCT, "oct", 32, None),
    "OCT 48x128x128 + report, 32, parts of 8": (OCT, "oct", 32, 8),
    "OCT 48x128x128 + report, 256, parts of 8": (OCT, "oct", 256, 8),
}


def main() -> None:
    """Run every case in a process of its own and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case")
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    if chosen.case:
        print(one(*CASES[chosen.case]))
        return
    lines = ["| case | resident, MiB | peak, MiB | step, s | loss |", "|---|---|---|---|---|"]
    for name in CASES:
        command = [sys.executable, "-m", "benchmarks.any_batch", "--case", name]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        lines.append(f"| {name} | {found.stdout.strip().splitlines()[-1]} |")
        print(lines[-1], flush=True)
    if chosen.write:
        chosen.write.write_text("\n".join([
            "# Batches that do not fit", "", (__doc__ or "").split("\n\n", 2)[2].strip(), "",
            f"{platform.machine()}, {os.cpu_count()} cores, "
            "`python -m benchmarks.any_batch --write docs/benchmarks/any-batch.md`", "",
            *lines, "",
        ]))  # fmt: skip


def one(first: str, key: str, batch: int, micro: int | None) -> str:
    """Take one step and return its figures."""
    lesson = prepared(first, key, batch, micro)
    rows = lesson.batches(0)[0]
    views = lesson.prepare(rows, 0)
    before, begun = resident(), time.perf_counter()
    loss = lesson.learn(rows, views, 0)["loss"]
    seconds = time.perf_counter() - begun
    return f"{before:.0f} | {resident():.0f} | {seconds:.1f} | {loss:.4f}"


def prepared(first: str, key: str, batch: int, micro: int | None) -> Alignment:
    """Return alignment over generated samples, ready for its first step."""
    from pipelines.align import Alignment, demand_of
    from pipelines.batch import item_table
    from pipelines.encode import Crew
    from pipelines.pairing import Pairing
    from pipelines.plan import make_plan
    from pipelines.processes import Processes
    from pipelines.towers import build_tower
    from pipelines.training import build_objective
    from workbench.manifest import Manifest

    folder = Path(tempfile.mkdtemp())
    (folder / "p.yaml").write_text(PIPELINE.format(first=first, batch=batch))
    plan = make_plan(folder / "p.yaml")
    ids = tuple(f"{i:05d}" for i in range(batch))
    manifest = Manifest("generated", ids, ids, ("train",) * batch, {}, root=folder)
    shape = (1, 48, 128, 128) if key == "oct" else (12, 1000)
    shelves = {k: generated(part, ids, shape) for k, part in plan.parts.items()}
    towers = {k: build_tower(p, plan.pipeline.align.dim, seed=0) for k, p in plan.parts.items()}
    objective = build_objective(plan, shelves)
    pairing = Pairing(shelves, item_table(manifest, shelves, ()), manifest, plan.edges(), 0)
    crew = Crew(towers, pairing, Processes.alone(), micro)
    demand = demand_of(plan.objective, plan.objective_options)
    return Alignment(crew, objective, plan.pipeline.align, demand)


def generated(part: Part, ids: tuple[str, ...], shape: tuple[int, ...]) -> Shelf:
    """Return samples made from the row number when asked for, as large as real ones."""
    import numpy as np

    from pipelines.batch import Shelf
    from workbench.modality import Sample, Source

    rows = np.arange(len(ids))

    class Generated(Shelf):
        def sample(self, row: int) -> Sample:
            if part.key == "report":
                text = Source(f"finding {row} words {row * 7}")
                return part.modality.read(text, part.options)
            return Sample(np.random.default_rng(row).random(shape, dtype=np.float32))

    # nothing is decoded: only row numbers and digests are asked of it
    decoded: Any = SimpleNamespace(rows=rows, digests=list(ids))
    return Generated(part, decoded, rows)


def resident() -> float:
    """Return the most memory that this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
