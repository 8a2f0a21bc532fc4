"""Lessons over the rows of a finished run, in 1, 2 and 3 processes; losses and gradients are saved.

Usage: example_processes.py FINISHED OUT NAME...
Under torchrun it trains until rank 1 is killed in its third step.
"""

import json
import os
import signal
import socket
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from pipelines.align import Alignment, demand_of
from pipelines.batch import shelf
from pipelines.decode import load_decoded
from pipelines.plan import make_plan
from pipelines.pretrain import MaskedModelling
from pipelines.processes import started
from pipelines.rows import manifest_of
from pipelines.towers import build_encoder
from pipelines.training import build_crew, build_objective, make_pairing
from workbench.config import PretrainConfig

OWN = {"sum": ["align.objective.parts=[{name: contrastive}, {name: hcl}]"]}
FURTHER = {
    "contrastive in parts": ["align.micro_batch=3"],
    "contrastive harmonized": ["align.edges=[[ecg, report], [report, ecg]]",
                               "align.gradients=harmonize"],
}  # fmt: skip


def words(name):
    return FURTHER.get(name) or [f"align.objective.name={name}", *OWN.get(name, [])]


class World:
    """The rows of the finished run, and the processes that share them."""

    def __init__(self, finished, processes):
        self.file, self.processes = finished.parent / "small.yaml", processes
        plan = make_plan(self.file)
        self.manifest = manifest_of(plan, finished / "cohort")
        count = len(self.manifest)
        self.decoded = {k: load_decoded(finished / "decoded" / k) for k in plan.parts}
        self.shelves = {k: shelf(p, self.decoded[k], count) for k, p in plan.parts.items()}

    def alignment(self, overrides):
        plan = make_plan(self.file, ["align.batch_size=8", *overrides])
        count = len(self.manifest)
        shelves = {k: shelf(p, self.decoded[k], count) for k, p in plan.parts.items()}
        objective = build_objective(plan, shelves)
        pairing = make_pairing(plan, shelves, self.manifest, objective)
        crew = build_crew(plan, pairing, {}, self.processes)
        config = plan.pipeline.align
        crew = replace(crew, micro_batch=config.micro_batch)
        return Alignment(crew, objective, config, demand_of(plan.objective, plan.objective_options))

    def pretraining(self, key):
        config = PretrainConfig(batch_size=8, precision="fp32")
        encoder = build_encoder(self.shelves[key].part, seed=1)
        return MaskedModelling(
            encoder, self.shelves[key], self.manifest, config, 1, processes=self.processes
        )


def learnt(lesson):
    """Losses and gradients of a whole batch, of a short one, and of one with fewer rows than ranks."""
    whole, *_, short = lesson.batches(0)
    logs = {}
    found = {}
    for step, batch in enumerate([whole, short, whole[:2]]):
        for parameter in lesson.parameters().values():
            parameter.grad = None
        told = lesson.learn(batch, lesson.prepare(batch, 0), step)
        logs |= {f"{step} {k}": v for k, v in told.items()}
        found |= {f"{step} {n}": p.grad.clone() for n, p in lesson.parameters().items()
                  if p.grad is not None}  # fmt: skip
        lesson.after_step()
    found |= {f"buffer {n}": b.float().clone() for n, b in lesson.buffers().items()}
    return logs, found


def lost(lesson, processes):
    """Train on, and lose rank 1 without a word in its third step."""
    for step in range(1000):
        batch = lesson.batches(0)[0]
        processes.at(f"step {step}")
        lesson.learn(batch, lesson.prepare(batch, 0), step)
        if processes.rank == 1 and step == 2:
            os.kill(os.getpid(), signal.SIGKILL)


def lose(finished):
    with started() as processes:
        lost(World(finished, processes).alignment([]), processes)


def learn(finished, out, names):
    logs, tensors = {}, {}
    with started() as processes:
        world = World(finished, processes)
        for name in names:
            kind, _, key = name.partition(" ")
            pretrain = kind == "pretrain"
            lesson = world.pretraining(key) if pretrain else world.alignment(words(name))
            logs[name], found = learnt(lesson)
            tensors |= {f"{name}|{k}": v for k, v in found.items()}
        if processes.first:
            out.mkdir(parents=True)
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
    finished = Path(sys.argv[1])
    if "RANK" in os.environ:
        lose(finished)
        return
    for world in (1, 2, 3):
        forked(world, lambda n=world: learn(finished, Path(sys.argv[2]) / str(n), sys.argv[3:]))


if __name__ == "__main__":
    main()
