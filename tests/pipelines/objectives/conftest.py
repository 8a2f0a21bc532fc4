"""Makes the example world importable by name for the tests of this folder."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def worlds():
    """An earlier batch, and the batch to ask about; no test changes them."""
    from example_world import make_worlds

    return make_worlds()
