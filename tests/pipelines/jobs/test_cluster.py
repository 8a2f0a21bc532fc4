"""A Ray cluster of two workers gives the bytes of one process; without Ray the extra is named."""

import importlib.util
import os
import subprocess
import sys

import pytest
from example_stores import write_store

from pipelines.jobs.cluster import Cluster, seen_by_worker
from pipelines.jobs.job import Request, evaluate_stores
from workbench import __version__
from workbench.errors import Refusal

RAY = importlib.util.find_spec("ray") is not None
SECONDS = 150


@pytest.mark.skipif(RAY, reason="ray is installed")
def test_without_ray_the_extra_is_named(tmp_path):
    with pytest.raises(Refusal, match=r"E-JOB-004 .*medbio-workbench\[ray\]"):
        Cluster(2, tmp_path)


def test_a_worker_says_its_version_and_whether_it_sees_the_folder(tmp_path):
    assert seen_by_worker(str(tmp_path)) == (__version__, True)
    assert seen_by_worker(str(tmp_path / "gone")) == (__version__, False)


@pytest.mark.slow
@pytest.mark.skipif(not RAY, reason="ray is not installed: the extra [ray]")
def test_two_workers_give_the_bytes_of_one_process(tmp_path, tasks_file):
    stores = [write_store(tmp_path / name, seed=n) for n, name in enumerate(("a", "b"))]
    evaluate_stores(stores, tasks_file, Request(out=tmp_path / "one"))
    line = [
        sys.executable,
        "-m",
        "workbench",
        "evaluate",
        *map(str, stores),
        "--tasks",
        str(tasks_file),
        "--out",
        str(tmp_path / "two"),
        "--executor",
        "ray",
        "--workers",
        "2",
    ]
    done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=False,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in ("results.parquet", "results.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
