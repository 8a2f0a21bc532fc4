"""Several processes: they learn what one learns, and none waits for one that was lost."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from pipelines.processes import Processes, started
from workbench import registry
from workbench.errors import Failure
from workbench.seeding import keyed_rng

EXAMPLE = Path(__file__).with_name("example_processes.py")
LESSONS = ["contrastive by label", "contrastive in parts", "contrastive harmonized",
           "contrastive shared in parts", "sigmoid", "gram", "queue", "byol", "hcl", "simdino",
           "pretrain ecg"]  # fmt: skip


def torchrun(world, *words):
    """Start a module or script in so many processes of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return python("-m", "torch.distributed.run", "--nproc_per_node", world,
                  "--master_port", port, *words)  # fmt: skip


def python(*words):
    """Start Python in a process group of its own, on one thread."""
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def ended(process, seconds):
    """Return what a launcher said; when it does not end, nothing of it is left behind."""
    try:
        return process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        raise


def learnt(file, folder, names):
    """Losses and gradients of lessons, by number of processes, and a run of two processes."""
    process = python(EXAMPLE, file, folder, *names)
    said = ended(process, 300)
    assert process.returncode == 0, said
    outs = {world: folder / str(world) for world in (1, 2, 3)}
    return {world: (json.loads((out / "logs.json").read_text()),
                    load_file(out / "gradients.safetensors"))
            for world, out in outs.items()}  # fmt: skip


def compare(found, name, world):
    """Hold one lesson's losses and gradients against those of one process.

    Standardising two rows divides by a difference that is mostly rounding, so the batch that has
    fewer rows than processes is held to 1e-4.
    """
    (logs, gradients), (mine, my_gradients) = found[1], found[world]
    assert mine[name].keys() == logs[name].keys()
    for key, value in logs[name].items():
        bound = 1e-4 if key.startswith("2 ") else 1e-5
        assert mine[name][key] == pytest.approx(value, abs=bound, rel=bound), key
    keys = {k for k in gradients if k.startswith(f"{name}|")}
    assert keys == {k for k in my_gradients if k.startswith(f"{name}|")}
    for step in "012":
        at = [k for k in keys if k.startswith(f"{name}|{step} ")]
        length = torch.stack([gradients[k].norm() for k in at]).norm() if at else torch.zeros(())
        apart = [(gradients[k] - my_gradients[k]).norm() for k in at]
        bound = 1e-4 if step == "2" else 1e-5
        assert not at or float(torch.stack(apart).norm()) <= bound * max(1.0, float(length)), step
    for key in (k for k in keys if k.startswith(f"{name}|buffer")):
        torch.testing.assert_close(my_gradients[key], gradients[key], atol=1e-4, rtol=1e-4)


def test_a_world_without_torchrun_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(Failure, match="RANK is not set; start with torchrun"), started():
        pass


def test_a_process_alone_changes_nothing():
    alone, x = Processes.alone(), torch.randn(3, 2, requires_grad=True)
    weight = nn.Parameter(torch.ones(2))
    assert alone.gather(x, [3]) is x
    assert alone.tie(loss := x.sum(), [x]) is loss
    alone.sum_gradients([weight])
    assert weight.grad is None
    assert alone.sum_logs({"loss": 2.0}) == {"loss": 2.0}
    assert alone.from_first("name", lambda: "a") == "a"
    assert alone.largest(4) == 4


def test_shares_are_contiguous_and_cover_every_row():
    for count in (0, 1, 2, 7, 9):
        shares = [Processes(rank, 3).share(count) for rank in range(3)]
        assert [r for s in shares for r in range(count)[s]] == list(range(count))
        assert max(s.stop - s.start for s in shares) - min(s.stop - s.start for s in shares) <= 1


@pytest.fixture(scope="module")
def found(small_folder):
    names = [*LESSONS, "contrastive trained"]
    return learnt(small_folder / "small.yaml", small_folder / "worlds", names)


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("name", LESSONS)
def test_several_processes_learn_what_one_learns(found, name, world):
    compare(found, name, world)


@pytest.mark.parametrize("world", [2, 3])
def test_encoders_in_parts_train_alike_and_resume_to_the_same_bits(found, world):
    logs, mine = (found[w][0]["contrastive trained"] for w in (1, world))
    assert mine.pop("0 apart") == 0.0
    assert len(mine) > 1
    for key, loss in mine.items():
        assert loss == pytest.approx(logs[key], rel=1e-5), key


@pytest.mark.slow
def test_several_processes_learn_what_one_learns_with_every_objective(small_folder):
    names = sorted(set(registry.installed("objectives")) - set(LESSONS))
    found = learnt(small_folder / "small.yaml", small_folder / "every", names)
    for name in names:
        for world in (2, 3):
            compare(found, name, world)


def test_a_run_that_loses_a_process_ends_names_it_and_resumes(found, small_folder, tmp_path):
    assert found
    words = ["-m", "workbench", "run", small_folder / "small.yaml", "--out", tmp_path]
    process = torchrun(2, *words)
    while process.poll() is None and not (tmp_path / "log.jsonl").is_file():
        time.sleep(0.01)
    time.sleep(keyed_rng("loss of a rank", os.getpid()).uniform(0, 1.0))
    victim, begun = rank_of(process.pid, 1), time.monotonic()
    os.kill(victim, signal.SIGKILL)
    said = ended(process, 60)
    assert time.monotonic() - begun < 30
    assert process.returncode != 0
    assert f"rank 0: rank 1 (process {victim} on " in said, said
    assert re.search(r"exitcode +: 3 ", said) or "exitcode: -9" in said
    assert not (tmp_path / "metrics.json").exists()
    again = torchrun(2, *words)
    said = ended(again, 300)
    assert again.returncode == 0, said
    expected = (small_folder / "worlds" / "run" / "metrics.json").read_bytes()
    assert (tmp_path / "metrics.json").read_bytes() == expected
    assert json.loads((tmp_path / "record.json").read_text())["processes"] == [2]


def rank_of(launcher, rank):
    """Return the number of the process to which a launcher gave a rank."""
    for entry in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        if f"RANK={rank}".encode() in Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
            return int(entry)
    raise AssertionError(f"no process of rank {rank}")
