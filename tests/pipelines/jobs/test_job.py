"""Whole jobs: every mode, shards and merge, and the same bytes after two kills as after none."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from example_stores import changed_run, write_store

from pipelines.jobs import job
from pipelines.jobs.job import Request, evaluate_stores, merge, threads
from pipelines.jobs.shard import Shard
from pipelines.jobs.work import work
from workbench.errors import Refusal

PROMPTS = """\
  - task: zero_shot
    query: ecg
    label: finding
    prompts: {templates: ["class {}", "a class {}"], classes: {c0: c0, c1: c1, c2: c2, c3: c3}}
"""
RUN_TASKS = """\
replicates: 200
evaluate:
  - {task: retrieval, query: ecg, gallery: report}
  - {task: retrieval, query: report, gallery: report, relation: same_group}
  - {task: knn, query: ecg, label: split, k: [1, 5]}
  - {task: retrieval, query: ecg, gallery: report, split: train}
"""


@pytest.fixture
def stores(tmp_path):
    return [write_store(tmp_path / name, seed=n) for n, name in enumerate(("a", "b"))]


@pytest.fixture
def computed(monkeypatch):
    """Names of the tasks that were computed."""
    names = []

    def noted(chunk):
        names.extend((chunk.store.name, task.name) for task in chunk.tasks)
        work(chunk)

    monkeypatch.setattr("pipelines.jobs.executors.work", noted)
    return names


def tables(out):
    return [(out / f"results.{suffix}").read_bytes() for suffix in ("parquet", "csv")]


@pytest.mark.parametrize("word", [{"mode": "sometimes"}, {"executor": "slurm"}])
def test_other_words_are_refused(tmp_path, word):
    with pytest.raises(Refusal, match="E-JOB-002"):
        Request(out=tmp_path, **word)


def test_no_store_at_all_is_refused_before_anything_is_written(tmp_path, tasks_file):
    with pytest.raises(Refusal, match="E-EMB-001"):
        evaluate_stores([tmp_path / "gone"], tasks_file, Request(out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_bad_store_and_a_bad_task_cost_no_other(stores, tasks_file, tmp_path):
    values = np.load(stores[1] / "ecg.npy")
    values[3] = np.nan
    np.save(stores[1] / "ecg.npy", values)
    bad = "  - {task: knn, query: ecg, label: sex}\n" + PROMPTS.replace("class {}", "x {}", 1)
    tasks_file.write_text(tasks_file.read_text() + bad)
    paths = [stores[0], tmp_path / "gone", stores[1]]
    outcome = evaluate_stores(paths, tasks_file, Request(out=tmp_path / "out"))
    assert (outcome.done, outcome.exit_code) == (3, 4)
    reasons = {miss[:2]: miss[2].split()[0] for miss in outcome.misses}
    assert reasons.pop(("gone", "")) == "E-EMB-001"
    assert reasons.pop(("a", "knn-ecg-sex-test")) == "E-CFG-021"
    assert reasons.pop(("a", "zero_shot-ecg-finding-test")) == "E-EMB-011"
    assert set(reasons.values()) == {"E-EMB-008"}
    assert len(reasons) == 5
    assert (tmp_path / "out" / "failures.csv").read_text().count("\n") == 9


def test_nothing_that_succeeds_is_exit_code_3(stores, tasks_file, tmp_path):
    tasks_file.write_text("evaluate: [{task: knn, query: ecg, label: sex}]")
    outcome = evaluate_stores(stores, tasks_file, Request(out=tmp_path / "out"))
    assert (outcome.done, outcome.exit_code, len(outcome.misses)) == (0, 3, 2)


def test_modes_compute_what_they_say(stores, tasks_file, tmp_path, computed):
    good = tasks_file.read_text()
    tasks_file.write_text(good + "  - {task: knn, query: ecg, label: sex}\n")
    failing = ("a", "knn-ecg-sex-test")

    def told(mode):
        computed.clear()
        code = evaluate_stores(stores[:1], tasks_file, Request(out=out, mode=mode)).exit_code
        return code, list(computed)

    out = tmp_path / "out"
    assert told("only-cache") == (3, [])
    code, every = told("only-missing")
    assert (code, len(every)) == (4, 4)
    assert told("only-missing") == (4, [failing])
    assert told("never") == (4, [])
    assert told("only-cache") == (4, [])
    before = tables(out)
    assert told("always") == (4, every)
    assert tables(out) == before


def test_a_changed_store_or_task_is_computed_anew(stores, tasks_file, tmp_path, computed):
    request = Request(out=tmp_path / "out")
    evaluate_stores(stores, tasks_file, request)
    assert len(computed) == 6
    np.save(stores[0] / "report.npy", -np.load(stores[0] / "report.npy"))
    computed.clear()
    evaluate_stores(stores, tasks_file, request)
    assert {name for name, _ in computed} == {"a"}
    computed.clear()
    tasks_file.write_text(tasks_file.read_text().replace("k: [1, 5]", "k: [3]"))
    evaluate_stores(stores, tasks_file, request)
    assert computed == [("a", "knn-ecg-finding-test"), ("b", "knn-ecg-finding-test")]


def test_shards_and_a_merge_give_the_table_of_one_job(stores, tasks_file, tmp_path):
    evaluate_stores(stores, tasks_file, Request(out=tmp_path / "one"))
    for index in (3, 1):
        request = Request(out=tmp_path / "many", shard=Shard(index, 3))
        outcome = evaluate_stores(stores, tasks_file, request)
        assert (outcome.done, outcome.exit_code, outcome.table) == (2, 0, None)
    assert merge(tmp_path / "many").exit_code == 4
    last = Request(out=tmp_path / "many", shard=Shard(2, 3))
    assert evaluate_stores(stores, tasks_file, last).table is not None
    assert tables(tmp_path / "many") == tables(tmp_path / "one")
    (tmp_path / "many" / "results.csv").unlink()
    assert merge(tmp_path / "many").exit_code == 0
    assert tables(tmp_path / "many") == tables(tmp_path / "one")


def test_two_workers_give_the_bytes_of_one(stores, tasks_file, tmp_path):
    evaluate_stores(stores[:1], tasks_file, Request(out=tmp_path / "one"))
    evaluate_stores(stores[:1], tasks_file, Request(out=tmp_path / "two", workers=2))
    assert tables(tmp_path / "one") == tables(tmp_path / "two")


def test_equal_stores_are_computed_once_and_named_twice(stores, tasks_file, tmp_path, computed):
    twin = write_store(tmp_path / "twin", seed=0)
    outcome = evaluate_stores([stores[0], twin], tasks_file, Request(out=tmp_path / "out"))
    assert outcome.done == 6
    assert {name for name, _ in computed} == {"a"}
    assert b'"twin"' in tables(tmp_path / "out")[1]


def test_prompt_vectors_of_a_store_answer_a_zero_shot_task(stores, tasks_file, tmp_path):
    tasks_file.write_text("replicates: 0\nevaluate:\n" + PROMPTS)
    assert evaluate_stores(stores, tasks_file, Request(out=tmp_path / "out")).exit_code == 0


@pytest.mark.parametrize(("given", "count"), [("3", 3), ("", 1), (None, 1)])
def test_one_thread_unless_told_otherwise(monkeypatch, given, count):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert threads() == count


def test_three_runs_and_a_stranger_killed_twice_give_the_same_bytes(finished, tmp_path):
    runs = [finished]
    runs += [changed_run(finished, tmp_path / f"run-{n}", seed=n) for n in (2, 3)]
    paths = [*runs, write_store(tmp_path / "stranger")]
    tasks, out = tmp_path / "tasks.yaml", tmp_path / "killed"
    tasks.write_text(RUN_TASKS)
    kinds = {"OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "workbench", "evaluate", *map(str, paths), "--tasks", str(tasks),
            "--out", str(out)]  # fmt: skip
    for count in (1, 15):
        process = subprocess.Popen(line, env={**os.environ, **kinds}, stderr=subprocess.DEVNULL)
        while process.poll() is None and len(list(out.glob("results/*/*.parquet"))) < count:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it could be killed"
    assert not (out / "results.csv").exists()
    resumed = evaluate_stores(paths, tasks, Request(out=out))
    undisturbed = evaluate_stores(paths, tasks, Request(out=tmp_path / "undisturbed"))
    assert resumed.done == undisturbed.done > 30
    assert resumed.misses == undisturbed.misses
    assert tables(out) == tables(tmp_path / "undisturbed")
    assert not list(out.rglob("*.begun"))
    assert job.WANTED["only-missing"] == ("failed", "missing")
