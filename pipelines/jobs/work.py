"""Evaluates some tasks on one store, wherever a worker runs; results go straight to disk."""

from __future__ import annotations

import multiprocessing
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eval.space import Space
from eval.task import Context, Metric, Task
from pipelines.jobs.results import SHORT, Results, Unit
from pipelines.jobs.store import Store
from pipelines.jobs.tasks_file import JobTask
from workbench import registry
from workbench.errors import MESSAGE_LIMIT, WorkbenchError


@dataclass(frozen=True)
class Chunk:
    """Tasks on one store, which one worker does one after another.

    Attributes:
        store: loaded once.
        tasks: what is asked of it.
        context: what every task is given.
        out: the job's folder, which every worker sees under this path.
        threads: threads of a worker; the last bits of a number may depend on them.
        again: whether a result that is there already is computed again.
    """

    store: Store
    tasks: tuple[JobTask, ...]
    context: Context
    out: Path
    threads: int = 1
    again: bool = False

    @property
    def results(self) -> Results:
        """Where results go."""
        return results_of(self.out)

    @property
    def cache(self) -> Path:
        """Where stores were laid out."""
        return self.out / "stores"

    def unit(self, task: JobTask) -> Unit:
        """Return a task's unit."""
        return Unit(self.store.digest, task.digest)


def results_of(out: Path) -> Results:
    """Return the results in a job's folder."""
    return Results(out / "results")


def work(chunk: Chunk) -> None:
    """Do every task of a chunk; what fails is written down, and the next one is done."""
    with _threads(chunk.threads):
        space: Space | None = None
        for task in chunk.tasks:
            if _orphaned():
                return
            if not chunk.again and chunk.results.state(chunk.unit(task)) == "done":
                continue  # another job came first
            begun = time.monotonic()
            chunk.results.begin(chunk.unit(task))
            try:
                space = space or chunk.store.space(chunk.cache)
                _do(chunk, task, space)
                _say(chunk, task, f"{time.monotonic() - begun:.1f} s")
            except Exception as cause:  # the boundary: no task may cost another its result
                chunk.results.fail(chunk.unit(task), one_line(cause), traceback.format_exc())
                _say(chunk, task, f"failed: {one_line(cause)}")


def one_line(cause: BaseException) -> str:
    """Return an error as one line: ours as they are, others with their type."""
    text = " ".join(str(cause).split())
    said = text if isinstance(cause, WorkbenchError) else f"{type(cause).__name__}: {text}"
    return said[:MESSAGE_LIMIT]


def _do(chunk: Chunk, task: JobTask, space: Space) -> None:
    """Compute and keep one unit."""
    one: Task[Any] = registry.load("tasks", task.task)()
    texts = one.texts(task.options, space.rows, chunk.context)
    asked = chunk.store.with_texts(space, texts)
    result = one.run(asked, task.options, chunk.context)
    rows = list(result.rows)
    for options in chunk.store.variants(task.options):
        rows += one.run(asked, options, chunk.context).rows
    stamped = [_stamped(row, chunk, task) for row in rows]
    chunk.results.save(chunk.unit(task), stamped, result.predictions)


def _stamped(row: Metric, chunk: Chunk, task: JobTask) -> Metric:
    data = chunk.store.provenance["data_digest"][:SHORT]
    return replace(
        row, config_digest=task.digest[:SHORT], data_digest=data, seed=chunk.context.seed
    )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Hold every library of numbers to so many threads."""
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(limits=count):
            yield
    finally:
        torch.set_num_threads(before)


def _orphaned() -> bool:
    """Whether the process that asked for this work was killed."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


def _say(chunk: Chunk, task: JobTask, note: str) -> None:
    sys.stderr.write(f"{chunk.store.name} · {task.name}: {note}\n")
    sys.stderr.flush()
