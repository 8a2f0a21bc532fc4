"""Rows on disk: what comes back is what was written, or nothing."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from pipelines.prefix_rows import RowStore
from workbench.errors import Failure

KEY = {"weights": "abc"}


def store(folder, **changes):
    settings = {"count": 4, "trailing": (3,), "dtype": "fp32", **changes}
    return RowStore(folder, KEY, **settings)


def test_a_row_comes_back_as_it_was_written(tmp_path):
    row = torch.arange(6.0).reshape(2, 3)
    store(tmp_path).put(2, row, 7)
    again = store(tmp_path)
    out = torch.empty(2, 3)
    assert again.lengths(np.arange(4)).tolist() == [0, 0, 2, 0]
    assert (again.source(2), again.kind(2)) == (7, torch.float32)
    assert again.read(2, out)
    assert torch.equal(out, row)


def test_a_damaged_row_is_not_believed(tmp_path):
    store(tmp_path).put(0, torch.ones(2, 3), 7)
    with open(tmp_path / "rows.bin", "r+b") as stream:
        stream.write(b"\xff")
    assert not store(tmp_path).read(0, torch.empty(2, 3))


def test_a_row_cut_off_is_not_believed(tmp_path):
    store(tmp_path).put(0, torch.ones(2, 3), 7)
    os.truncate(tmp_path / "rows.bin", 8)
    assert not store(tmp_path).read(0, torch.empty(2, 3))


def test_values_beyond_half_precision_are_refused(tmp_path):
    with pytest.raises(Failure, match="fp32 or bf16"):
        store(tmp_path, dtype="fp16").put(0, torch.full((1, 3), 1e6), 7)


@pytest.mark.parametrize("change", [{"count": 5}, {"dtype": "bf16"}, {"trailing": (2,)}])
def test_another_layout_begins_anew(tmp_path, change):
    store(tmp_path).put(0, torch.ones(1, 3), 7)
    assert not store(tmp_path, **change).lengths(np.arange(4)).any()


def test_a_folder_without_its_key_begins_anew(tmp_path):
    store(tmp_path).put(0, torch.ones(1, 3), 7)
    (tmp_path / "key.json").unlink()
    assert not store(tmp_path).lengths(np.arange(4)).any()


KILLED = """
import os, signal, sys, torch
from pathlib import Path
from pipelines.prefix_rows import RowStore
one = RowStore(Path(sys.argv[1]), {"weights": "abc"}, count=4, trailing=(3,), dtype="fp32")
one.put(0, torch.full((2, 3), 1.0), 7)
real = os.pwrite
def torn(handle, data, offset):
    real(handle, data[:5], offset)
    os.kill(os.getpid(), signal.SIGKILL)
os.pwrite = torn
one.put(1, torch.full((2, 3), 2.0), 8)
"""


def test_a_kill_in_the_middle_of_a_row_loses_that_row_alone(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    again = store(tmp_path)
    assert again.lengths(np.arange(4)).tolist() == [2, 0, 0, 0]
    again.put(1, torch.full((2, 3), 3.0), 8)
    out = torch.empty(2, 3)
    assert store(tmp_path).read(0, out)
    assert out.tolist() == [[1.0] * 3] * 2
    assert store(tmp_path).read(1, out)
    assert out.tolist() == [[3.0] * 3] * 2
