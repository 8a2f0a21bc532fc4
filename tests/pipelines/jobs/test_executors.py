"""Workers: a death costs the task that it came at, and nothing else."""

import signal
from dataclasses import replace

import pytest
from example_stores import DyingStore

from pipelines.jobs.executors import Here, Processes, blamed, drain
from pipelines.jobs.foreign import open_foreign
from pipelines.jobs.tasks_file import read_tasks
from pipelines.jobs.work import Chunk


@pytest.fixture
def chunk(stranger, tasks_file, tmp_path):
    store, asked = open_foreign(stranger / "store.yaml"), read_tasks(tasks_file)
    found = Chunk(store, asked.tasks, asked.context, tmp_path / "out")
    store.prepare(found.cache)
    return found


def states(chunk):
    return [chunk.results.state(chunk.unit(task)) for task in chunk.tasks]


def test_a_death_before_any_task_costs_the_chunk(chunk):
    assert blamed(chunk, "signal 9").tasks == ()
    assert states(chunk) == ["failed"] * 3
    assert chunk.results.error(chunk.unit(chunk.tasks[0])) == "the worker died: signal 9"


def test_a_death_at_a_task_costs_that_task_and_leaves_the_later_ones(chunk):
    chunk.results.begin(chunk.unit(chunk.tasks[1]))
    assert blamed(chunk, "signal 9").tasks == chunk.tasks[2:]
    assert states(chunk) == ["missing", "failed", "missing"]


def test_a_killed_worker_is_followed_by_another(chunk):
    dies = DyingStore(**{k: getattr(chunk.store, k) for k in ("name", "digest", "path", "file")})
    first, labelled, last = chunk.tasks
    plain = replace(last, options=last.options, digest="f" * 64)
    drain([replace(chunk, store=dies, tasks=(first, labelled))], Processes(2))
    assert states(chunk) == ["done", "failed", "missing"]
    said = chunk.results.error(chunk.unit(labelled))
    assert said == f"the worker died: signal {signal.SIGKILL.value}"
    drain([replace(chunk, tasks=(plain,))], Here())
    assert chunk.results.state(chunk.unit(plain)) == "done"
