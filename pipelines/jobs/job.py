"""A batch evaluation: many stores by many tasks, whatever is missing computed, one table at the end."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Literal

from pipelines.jobs.executors import Executor, Here, Processes, drain
from pipelines.jobs.ledger import Ledger, ledger_of, load_ledger
from pipelines.jobs.results import State, Unit
from pipelines.jobs.shard import Shard, cut
from pipelines.jobs.store import Store
from pipelines.jobs.stores import open_stores
from pipelines.jobs.table import write_table
from pipelines.jobs.tasks_file import JobTask, TaskList, read_tasks
from pipelines.jobs.work import Chunk, one_line, results_of
from pipelines.jobs.workplace import at_work
from workbench.errors import Refusal, WorkbenchError

Mode = Literal["always", "never", "only-missing", "only-cache"]

WANTED: Mapping[Mode, tuple[State, ...]] = {
    "always": ("done", "failed", "missing"),
    "never": ("missing",),
    "only-missing": ("failed", "missing"),
    "only-cache": (),
}
"""Which units a mode computes, by what is there of them."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """How a batch evaluation is to be done.

    Attributes:
        out: the job's folder.
        mode: what to compute of what is there, and of what is not.
        shard: the part of the work that this job does.
        executor: "local", or "ray" for a cluster.
        workers: processes or cluster tasks at once; None is 1, or all of a cluster.
    """

    out: Path
    mode: Mode = "only-missing"
    shard: Shard = field(default_factory=Shard)
    executor: Literal["local", "ray"] = "local"
    workers: int | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("mode", self.mode, list(WANTED)), ("executor", self.executor, ["local", "ray"])
        ):  # fmt: skip
            if value not in known:
                raise Refusal("E-JOB-002", file=f"--{name}", field=name, found=repr(value),
                              expected=f"one of {known}")  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What became of a job, or of the shard that it did.

    Attributes:
        done: units that have numbers.
        misses: (store, task, reason) of the others; a store that could not be opened has no task.
        table: the table; None while other shards have not done their part.
    """

    done: int
    misses: Sequence[tuple[str, str, str]]
    table: Path | None

    @property
    def exit_code(self) -> int:
        """0 when all succeeded, 4 when some did, 3 when none did."""
        if not self.misses:
            return 0
        return 4 if self.done else 3

    def __str__(self) -> str:
        lines = [f"{' · '.join(filter(None, miss[:2]))}: {miss[2]}" for miss in self.misses]
        where = self.table or "no table yet: other shards are not done; --merge joins what is there"
        return "\n".join([*lines, f"{self.done} done, {len(self.misses)} not", str(where)])


def evaluate_stores(paths: Sequence[Path], tasks: Path, request: Request) -> Outcome:
    """Evaluate every task of a file on every store; the same call goes on where it was killed.

    Args:
        paths: folders of runs, of models of runs, of stores, or `store.yaml` files.
        tasks: the tasks file.
        request: how.

    Raises:
        Refusal: the tasks file is wrong, no store can be opened, or another job is in the way.
    """
    asked = read_tasks(tasks)
    stores, reasons, errors = open_stores(paths)
    if errors and not stores:
        raise errors[0]
    ledger = ledger_of(stores, asked, reasons)
    facts = {"shard": str(request.shard), "mode": request.mode, "executor": request.executor,
             "workers": request.workers, "threads": threads()}  # fmt: skip
    with at_work(request.out, ledger.digest(), facts) as record:
        ledger.save(request.out)
        _compute(stores, asked, request)
        outcome = _outcome(ledger, request)
        record.update(done=outcome.done, misses=len(outcome.misses))
    return outcome


def merge(out: Path) -> Outcome:
    """Write the table of what the jobs in a folder have computed so far.

    Raises:
        Refusal: the folder holds no job.
    """
    ledger = load_ledger(out)
    return _table(ledger, out)


def threads() -> int:
    """Return the threads of a worker: OMP_NUM_THREADS, or 1.

    One number for every executor, so that none of them changes the last bit of a result.
    """
    return max(1, int(os.environ.get("OMP_NUM_THREADS") or 1))


def _compute(stores: Sequence[Store], asked: TaskList, request: Request) -> None:
    """Compute what the mode wants of the shard's units."""
    found = _wanted(stores, asked, request)
    ready = [(store, tasks) for store, tasks in found if _prepared(store, tasks, request.out)]
    if not ready:
        return
    executor = _executor(request)
    parts = ceil(executor.slots / len(ready))
    again = request.mode == "always"
    out = request.out.resolve()
    drain([
        Chunk(store, tuple(some), asked.context, out, threads(), again)
        for store, tasks in ready
        for some in cut(tasks, parts)
    ], executor)  # fmt: skip


def _wanted(
    stores: Sequence[Store], asked: TaskList, request: Request
) -> list[tuple[Store, list[JobTask]]]:
    """Return the stores with the tasks to do on each; equal stores and equal tasks count once."""
    every = [(store, task) for store in stores for task in asked.tasks]
    results = results_of(request.out)
    wanted: dict[str, tuple[Store, dict[str, JobTask]]] = {}
    for store, task in request.shard.of(every):
        if results.state(Unit(store.digest, task.digest)) in WANTED[request.mode]:
            wanted.setdefault(store.digest, (store, {}))[1][task.digest] = task
    return [(store, list(tasks.values())) for store, tasks in wanted.values()]


def _prepared(store: Store, tasks: Sequence[JobTask], out: Path) -> bool:
    """Check a store's numbers; where that fails, all its tasks have failed."""
    try:
        store.prepare(out.resolve() / "stores")
    except (WorkbenchError, OSError) as cause:
        for task in tasks:
            results_of(out).fail(Unit(store.digest, task.digest), one_line(cause))
        return False
    return True


def _executor(request: Request) -> Executor:
    if request.executor == "ray":
        from pipelines.jobs.cluster import Cluster

        return Cluster(request.workers, request.out.resolve())
    workers = request.workers or 1
    return Processes(workers) if workers > 1 else Here()


def _outcome(ledger: Ledger, request: Request) -> Outcome:
    """Say what became of the shard; write the table once nothing is left to be tried."""
    results = results_of(request.out)
    mine = list(request.shard.of(list(ledger.units())))
    units = {unit for _, _, unit in mine}
    named = {(store.name, task.name) for store, task, unit in mine}
    misses = [miss for miss in ledger.misses(results) if miss[:2] in named or not miss[1]]
    done = sum(results.state(unit) == "done" for _, _, unit in mine)
    left = [u for _, _, u in ledger.units() if u not in units and results.state(u) == "missing"]
    return Outcome(done, misses, None if left else _table(ledger, request.out).table)


def _table(ledger: Ledger, out: Path) -> Outcome:
    results = results_of(out)
    write_table(ledger, results, out)
    done = sum(results.state(unit) == "done" for _, _, unit in ledger.units())
    return Outcome(done, ledger.misses(results), out / "results.parquet")
