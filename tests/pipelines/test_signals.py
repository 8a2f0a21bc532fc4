"""Signals: collected while training, an end with code 143 elsewhere, never lost to a worker."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from pipelines.signals import collected, ended_by_term


@contextmanager
def closing(held):
    try:
        yield
    finally:
        held.clear()


def test_a_signal_passed_on_twice_at_once_counts_as_one():
    with collected() as caught:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    assert set(caught) == {signal.SIGTERM}


def test_a_second_interrupt_acts_at_once(monkeypatch):
    monkeypatch.setattr("pipelines.signals.TWICE_SECONDS", -1.0)
    # a job in the background of a shell starts with SIGINT ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), collected():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_term_ends_the_block_with_143_and_lets_go_of_what_it_held(capsys):
    held = ["lock"]
    with pytest.raises(SystemExit) as caught, ended_by_term(), closing(held):
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.code == 143
    assert held == []
    assert "stopped by signal 15" in capsys.readouterr().err


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with collected(), ended_by_term():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_a_forked_worker_dies_of_the_signal_as_it_always_did():
    with ended_by_term():
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM


def workbench(*words):
    line = [sys.executable, "-m", "workbench", *map(str, words)]
    return subprocess.Popen(
        line, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_run_refuses_a_second_one_and_ends_with_143_after_a_checkpoint(small_file, tmp_path):
    words = ["run", small_file, "--set", "align.epochs=5000", "--out", tmp_path / "run"]
    first = workbench(*words)
    try:
        steps = tmp_path / "run" / "progress" / "align" / "LATEST"
        while first.poll() is None and not steps.is_file():
            time.sleep(0.02)
        second = workbench(*words)
        said = second.communicate(timeout=60)[1]
        assert second.returncode == 2
        assert "E-CKP-017" in said
        assert f"process {first.pid} on " in said
        begun = time.monotonic()
        first.send_signal(signal.SIGTERM)
        said = first.communicate(timeout=60)[1]
    finally:
        first.kill()
    assert first.returncode == 143, said
    assert time.monotonic() - begun < 20
    assert "stopped by signal 15; checkpoint at step" in said
    assert not (tmp_path / "run" / "run.lock").exists()
    step = int(said.rpartition("checkpoint at step ")[2].split()[0])
    assert steps.read_text() == f"step-{step:08d}"
