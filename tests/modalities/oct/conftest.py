"""Fixtures of the OCT tests: a small volume and the expectation of a quarantined file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from modalities.oct import OCT, OctOptions
from workbench.errors import BadInput
from workbench.modality import Sample, Source

SMALL = OctOptions(size=(4, 16, 16))


def read_small(path: Path, **options: object) -> Sample:
    """Read a file to 4 x 16 x 16 voxels."""
    return OCT.read(Source(str(path)), SMALL.model_copy(update=options))


@pytest.fixture
def read() -> Callable[..., Sample]:
    return read_small


@pytest.fixture
def quarantined() -> Callable[..., BadInput]:
    """Return a function that reads a file, expects a code, and hands back the error."""

    def expect(path: Path, code: str, **options: object) -> BadInput:
        with pytest.raises(BadInput) as caught:
            read_small(path, **options)
        assert caught.value.code == code, str(caught.value)
        assert caught.value.found
        assert caught.value.expected
        return caught.value

    return expect


@pytest.fixture
def frames() -> NDArray[np.uint8]:
    """Six B-scans of 20 x 24 pixels, each with its own brightness."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 20, (6, 20, 24))
    return (noise + 30 * np.arange(1, 7)[:, None, None]).astype(np.uint8)
