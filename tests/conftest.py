"""Fixtures that every test may use."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture
def sample_data() -> Callable[[str], Path]:
    """Return a function from a folder or file of the sample data to its path; skips where absent."""

    def find(relative: str) -> Path:
        path = CHECKOUT.parent / "shared" / "data" / relative
        if not path.exists():
            pytest.skip(f"sample data not found: {relative}")
        return path

    return find


@pytest.fixture(autouse=True)
def _one_torch_thread(request: pytest.FixtureRequest) -> None:
    """Keep torch on one thread: two spinning threads on busy cores are slower than one."""
    import sys

    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
