"""Training as several processes: what each lesson leaves, and a run to its end, without torchrun.

Usage: example_processes.py PIPELINE OUT NAME...
"""

import json
import os
import socket
import sys
import traceback
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from pipelines.align import Alignment, demand_of
from pipelines.batch import shelf
from pipelines.decode import load_decoded
from pipelines.fit import FitFolder, fit
from pipelines.parts import whole
from pipelines.plan import make_plan
from pipelines.pretrain import MaskedModelling
from pipelines.processes import started
from pipelines.rows import manifest_of
from pipelines.run import run_plan
from pipelines.sharding import sharded
from pipelines.towers import build_encoder
from pipelines.training import build_crew, build_objective, make_pairing
from workbench.config import PretrainConfig

OWN = {"sum": ["align.objective.parts=[{name: contrastive}, {name: hcl}]"]}
SHARED = ["modalities.ecg.adapt=full", "modalities.report.adapt=full", "align.shard=true"]
FURTHER = {
    "contrastive by label": ["align.objective.targets=same_label",
                             "align.objective.label=ecg_finding"],
    "contrastive in parts": ["align.micro_batch=3"],
    "contrastive harmonized": ["align.edges=[[ecg, report], [report, ecg]]",
                               "align.gradients=harmonize"],
    "contrastive shared in parts": [*SHARED, "align.micro_batch=2"],
    "contrastive trained": SHARED,
}  # fmt: skip


def words(name):
    return FURTHER.get(name) or [f"align.objective.name={name}", *OWN.get(name, [])]


class World:
    """The rows of a finished run, and the processes that share them."""

    def __init__(self, file, finished, processes):
        self.file, self.processes = file, processes
        plan = make_plan(self.file)
        self.manifest = manifest_of(plan, finished / "cohort")
        self.decoded = {k: load_decoded(finished / "decoded" / k) for k in plan.parts}
        self.stack = ExitStack()

    def shelves(self, plan):
        count = len(self.manifest)
        return {k: shelf(p, self.decoded[k], count) for k, p in plan.parts.items()}

    def alignment(self, overrides):
        plan = make_plan(self.file, ["align.batch_size=8", *overrides])
        config = plan.pipeline.align
        shelves = self.shelves(plan)
        objective = build_objective(plan, shelves)
        pairing = make_pairing(plan, shelves, self.manifest, objective)
        demand = demand_of(plan.objective, plan.objective_options)
        crew = build_crew(plan, pairing, {}, self.processes)
        crew = replace(crew, micro_batch=config.micro_batch)
        if config.shard:
            crew = self.stack.enter_context(sharded(crew, demand))
        return Alignment(crew, objective, config, demand)

    def pretraining(self, key):
        part = self.shelves(make_plan(self.file))[key]
        config = PretrainConfig(batch_size=8, precision="fp32")
        encoder = build_encoder(part.part, seed=1)
        return MaskedModelling(encoder, part, self.manifest, config, 1, processes=self.processes)


def learnt(lesson):
    """Losses and gradients of a whole batch, of a short one, and of one with fewer rows than ranks."""
    full, *_, short = lesson.batches(0)
    logs = {}
    found = {}
    for step, batch in enumerate([full, short, full[:2]]):
        for parameter in lesson.parameters().values():
            parameter.grad = None
        told = lesson.learn(batch, lesson.prepare(batch, 0), step)
        logs |= {f"{step} {k}": v for k, v in told.items()}
        found |= {f"{step} {n}": whole(p.grad).clone() for n, p in lesson.parameters().items()
                  if p.grad is not None}  # fmt: skip
        lesson.after_step()
    found |= {f"buffer {n}": b.float().clone() for n, b in lesson.buffers().items()}
    return logs, found


def trained(make, folder, processes):
    """Losses of a fit, and how far from its end is that of one that was stopped and resumed."""
    rows, ends = [], []

    def fitted(name, log):
        lesson = make()
        config = lesson.config.model_copy(update={"checkpoint_every": 1, "epochs": 1})
        fit(lesson, config, FitFolder(folder / name, {}, log, lambda step: None),
            processes=processes)  # fmt: skip
        ends.append({n: whole(p.detach()).clone() for n, p in lesson.parameters().items()})

    def stop(row):
        if row["step"] == 1:
            raise InterruptedError

    fitted("through", rows.append)
    try:
        fitted("stopped", stop)
    except InterruptedError:
        fitted("stopped", lambda row: None)
    apart = max(float((ends[1][n] - p).abs().max()) for n, p in ends[0].items())
    losses = {f"0 loss {row['step']}": row["loss"] for row in rows if "loss" in row}
    return {**losses, "0 apart": apart}, {f"0 {n}": p for n, p in ends[0].items()}


def learn(file, finished, out, names):
    logs, tensors = {}, {}
    with started() as processes:
        world = World(file, finished, processes)
        for name in names:
            kind, _, key = name.partition(" ")
            if name == "contrastive trained":
                logs[name], found = trained(
                    lambda: world.alignment(words("contrastive trained")), out / "fit", processes
                )
            else:
                pretrain = kind == "pretrain"
                lesson = world.pretraining(key) if pretrain else world.alignment(words(name))
                logs[name], found = learnt(lesson)
            tensors |= {f"{name}|{k}": v for k, v in found.items()}
        world.stack.close()
        if processes.first:
            out.mkdir(parents=True, exist_ok=True)
            save_file(tensors, str(out / "gradients.safetensors"))
            (out / "logs.json").write_text(json.dumps(logs))


def forked(world, work):
    """Run a piece of work in so many processes that share what this one has imported."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(world):
        child = os.fork()
        if child == 0:
            os.environ |= {"WORLD_SIZE": str(world), "RANK": str(rank),
                           "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}  # fmt: skip
            try:
                work()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if any(codes):
        sys.exit(f"world {world}: exit codes {codes}")


def main():
    torch.set_num_threads(1)
    file, out = Path(sys.argv[1]), Path(sys.argv[2])
    forked(2, lambda: run_plan(make_plan(file), out / "run"))
    for world in (1, 2, 3):
        forked(world, lambda n=world: learn(file, out / "run", out / str(n), sys.argv[3:]))


if __name__ == "__main__":
    main()
