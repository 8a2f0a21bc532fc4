"""Work on one store: a task that fails costs no other, and the store is loaded once."""

import json

import pytest
import torch

from eval.retrieval import Retrieval
from pipelines.jobs.foreign import ForeignStore, open_foreign
from pipelines.jobs.tasks_file import read_tasks
from pipelines.jobs.work import Chunk, work
from workbench.errors import MESSAGE_LIMIT


@pytest.fixture
def chunk(stranger, tasks_file, tmp_path):
    store, asked = open_foreign(stranger / "store.yaml"), read_tasks(tasks_file)
    found = Chunk(store, asked.tasks, asked.context, tmp_path / "out")
    store.prepare(found.cache)
    return found


def states(chunk):
    return [chunk.results.state(chunk.unit(task)) for task in chunk.tasks]


def test_a_refused_task_costs_no_other(chunk, tmp_path, tasks_file):
    tasks_file.write_text(tasks_file.read_text().replace("label: finding}", "label: sex}", 1))
    asked = read_tasks(tasks_file)
    bad = Chunk(chunk.store, asked.tasks, asked.context, chunk.out)
    work(bad)
    assert states(bad) == ["done", "failed", "done"]
    assert bad.results.error(bad.unit(bad.tasks[1])).startswith("E-CFG-021 manifest: evaluate has")


def test_an_error_that_nobody_foresaw_is_one_line_with_its_trace_beside(chunk, monkeypatch):
    def broken(*_):
        raise RuntimeError("first line\nsecond line" + "!" * 1000)

    monkeypatch.setattr(Retrieval, "run", broken)
    work(chunk)
    assert states(chunk) == ["failed", "failed", "done"]
    unit = chunk.unit(chunk.tasks[0])
    said = chunk.results.error(unit)
    assert said.startswith("RuntimeError: first line second line!")
    assert len(said) == MESSAGE_LIMIT
    kept = json.loads((chunk.results.folder / f"{unit.stem}.error.json").read_text())
    assert "in broken" in kept["trace"]


def test_a_store_that_cannot_be_loaded_fails_each_task(chunk, monkeypatch):
    def gone(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr(ForeignStore, "space", gone)
    work(chunk)
    assert states(chunk) == ["failed"] * 3


def test_the_store_is_loaded_once_and_what_is_done_is_left(chunk, monkeypatch):
    loaded = []
    space = ForeignStore.space
    monkeypatch.setattr(ForeignStore, "space", lambda *a: loaded.append(1) or space(*a))
    work(chunk)
    assert states(chunk) == ["done"] * 3
    assert len(loaded) == 1
    work(chunk)
    assert len(loaded) == 1


def test_rows_carry_the_digests_and_the_seed_of_the_job(chunk):
    work(chunk)
    for task in chunk.tasks:
        for row in chunk.results.rows(chunk.unit(task)):
            assert row["config_digest"] == task.digest[:16]
            assert row["data_digest"] == chunk.store.digest[:16]
            assert row["seed"] == 4


def test_threads_are_given_back(chunk):
    torch.set_num_threads(2)
    work(chunk)
    assert torch.get_num_threads() == 2
