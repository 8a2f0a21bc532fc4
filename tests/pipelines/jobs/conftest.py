"""A stranger's store, a tasks file, and a finished run's copies, for the tests of this folder."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "eval"))


@pytest.fixture
def stranger(tmp_path):
    """The folder of a store that is in order."""
    from example_stores import write_store

    return write_store(tmp_path / "stranger")


@pytest.fixture
def tasks_file(tmp_path):
    """Three quick tasks."""
    from example_stores import TASKS

    path = tmp_path / "tasks.yaml"
    path.write_text(TASKS)
    return path
