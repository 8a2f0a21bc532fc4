"""Two jobs in one folder: beside each other with one plan, refused by name with two."""

import json
import os
import subprocess
import sys

import pytest

from pipelines.jobs.workplace import at_work
from workbench.errors import Refusal
from workbench.liveness import Life


def test_another_plan_is_refused_while_the_first_is_at_work(tmp_path):
    with at_work(tmp_path, "one", {}):
        with pytest.raises(Refusal, match=f"E-JOB-001 .*{Life.mine()} at work") as caught:
            at_work(tmp_path, "two", {}).__enter__()
        assert caught.value.exit_code == 2
        with at_work(tmp_path, "one", {"shard": "2/2"}):
            pass
    with at_work(tmp_path, "two", {}):
        pass


def test_a_job_that_was_killed_on_this_host_stands_in_nobody_s_way(tmp_path):
    code = (f"import os, signal; from pathlib import Path\n"
            f"from pipelines.jobs.workplace import at_work\n"
            f"with at_work(Path({str(tmp_path)!r}), 'one', {{}}): os.kill(os.getpid(), 9)")  # fmt: skip
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    (left,) = (tmp_path / "jobs").iterdir()
    assert json.loads(left.read_text())["ended"] is None
    with at_work(tmp_path, "two", {}):
        pass


def test_one_on_another_host_is_named_with_the_file_to_delete(tmp_path):
    (tmp_path / "jobs").mkdir()
    other = {"pid": 7, "host": "node9", "born": "", "plan": "one", "ended": None}
    (tmp_path / "jobs" / "x.json").write_text(json.dumps(other))
    with pytest.raises(Refusal, match=r"jobs/x.json has process 7 on node9"):
        at_work(tmp_path, "two", {}).__enter__()


@pytest.mark.parametrize(
    ("host", "executor", "left"),
    [(Life.mine().host, "local", False), (Life.mine().host, "ray", True), ("node9", "local", True)],
)
def test_half_written_files_of_the_dead_go_only_where_no_other_host_may_write(
    tmp_path, host, executor, left
):
    (tmp_path / "results" / "s").mkdir(parents=True)
    dead, mine = (
        tmp_path / "results" / "s" / f".x.json.{pid}.tmp" for pid in (2**22 + 1, os.getpid())
    )
    for path in (dead, mine):
        path.write_text("{")
    (tmp_path / "jobs").mkdir()
    other = {"pid": 7, "host": host, "plan": "one", "ended": "then", "executor": executor}
    (tmp_path / "jobs" / "x.json").write_text(json.dumps(other))
    with at_work(tmp_path, "one", {}):
        assert (dead.exists(), mine.exists()) == (left, True)


def test_the_record_says_when_where_and_what_became_of_it(tmp_path):
    with at_work(tmp_path, "one", {"shard": "1/4"}) as record:
        record.update(done=3)
    (path,) = (tmp_path / "jobs").iterdir()
    kept = json.loads(path.read_text())
    assert (kept["shard"], kept["done"], kept["plan"]) == ("1/4", 3, "one")
    assert kept["begun"] <= kept["ended"]
    assert {"torch", "numpy", "workbench", "python"} <= set(kept["versions"])
