"""Where chunks of work are done: in this process, or in processes of this host."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from pipelines.jobs.work import Chunk, work

Handle = Hashable


class Executor(Protocol):
    """Does chunks, some at a time."""

    slots: int

    def start(self, chunk: Chunk) -> Handle:
        """Begin a chunk and return what stands for it."""

    def ended(self, running: Sequence[Handle]) -> tuple[Handle, str]:
        """Wait for one of some chunks; return it, and how its worker died or ""."""

    def close(self) -> None:
        """Let go of the workers."""


class Here:
    """One chunk after another, in this process."""

    slots = 1

    def start(self, chunk: Chunk) -> Handle:
        """Do the chunk at once."""
        work(chunk)
        return chunk.store.name

    def ended(self, running: Sequence[Handle]) -> tuple[Handle, str]:
        """Return the chunk, which is done."""
        return running[0], ""

    def close(self) -> None:
        """Hold nothing."""


class Processes:
    """A process of this host for each chunk, some at a time.

    Args:
        slots: how many run at once.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.context = multiprocessing.get_context("spawn")
        self.alive: dict[int, BaseProcess] = {}

    def start(self, chunk: Chunk) -> Handle:
        """Start a process, which ends with this one."""
        process = self.context.Process(target=work, args=(chunk,), daemon=True)
        process.start()
        self.alive[process.sentinel] = process
        return process.sentinel

    def ended(self, running: Sequence[Handle]) -> tuple[Handle, str]:
        """Wait for a process to end, and say how where it did not end well."""
        del running
        sentinel: Any = wait(list(self.alive))[0]
        process = self.alive.pop(sentinel)
        process.join()
        code = process.exitcode or 0
        return sentinel, f"signal {-code}" if code < 0 else f"exit code {code}" if code else ""

    def close(self) -> None:
        """End what still runs."""
        for process in self.alive.values():
            process.terminate()


def drain(chunks: Sequence[Chunk], executor: Executor) -> None:
    """Do all chunks; where a worker dies, blame the task it was at and go on with the others."""
    waiting: deque[Chunk] = deque(chunks)
    running: dict[Handle, Chunk] = {}
    try:
        while waiting or running:
            while waiting and len(running) < executor.slots:
                chunk = waiting.popleft()
                running[executor.start(chunk)] = chunk
            handle, death = executor.ended(list(running))
            chunk = running.pop(handle)
            if death and (rest := blamed(chunk, death)).tasks:
                waiting.append(rest)
    finally:
        executor.close()


def blamed(chunk: Chunk, death: str) -> Chunk:
    """Write down what a worker's death cost, and return the chunk of what it had not come to.

    A death at a task costs that task; one before any task was begun costs them all, as another
    worker would die in the same place.
    """
    begun = [n for n, task in enumerate(chunk.tasks) if chunk.results.is_begun(chunk.unit(task))]
    first = begun[0] if begun else 0
    last = first + 1 if begun else len(chunk.tasks)
    for task in chunk.tasks[first:last]:
        chunk.results.fail(chunk.unit(task), f"the worker died: {death}")
    return replace(chunk, tasks=chunk.tasks[last:])
