"""Offers every registered modality, third-party ones included, to one suite of tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from workbench import registry
from workbench.modality import Modality, Options, Sample, Source, Weights
from workbench.seeding import keyed_rng

# Options that keep the suite quick. A modality that is not listed is tested with its defaults.
SMALL = {
    "oct": {"size": [12, 64, 64]},
    "xray": {"size": 64, "channels": 1},
    "ecg": {"seconds": 4},
    "report": {"max_tokens": 64, "vocabulary": 512},
}
# Encoders whose default size is too large to build for a test, made small.
SMALL_ENCODERS = {
    ("oct", "octcube_vit"): {"width": 32, "depth": 1, "heads": 2, "spatial_grid": [4, 4],
                             "temporal_grid": 4},
    ("oct", "monai_vit3d"): {"width": 48, "depth": 1, "heads": 2},
    ("oct", "monai_swin_unetr"): {"width": 12},
    ("xray", "vit"): {"width": 32, "depth": 1, "heads": 2},
    ("ecg", "vit1d"): {"width": 32, "depth": 1, "heads": 2, "stem": 16},
    ("dna", "barcodebert"): {"width": 32, "depth": 1, "heads": 2},
    ("report", "text"): {"architecture": "bert-small"},
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A modality with one synthetic file per finding, each read once."""

    name: str
    modality: Modality[Options]
    options: Options
    folder: Path
    cells: dict[str, str]
    samples: dict[str, Sample]

    def source(self, finding: str) -> Source:
        """Return the cell of a finding."""
        return Source(self.cells[finding], self.folder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test one modality, or one encoder of one modality."""
    names = list(registry.installed("modalities"))
    if "encoder" in metafunc.fixturenames:
        pairs = [(n, e) for n in names for e in registry.modality(n).encoders]
        ids = [f"{n}-{e}" for n, e in pairs]
        metafunc.parametrize(
            ("case", "encoder"), pairs, ids=ids, indirect=["case"], scope="session"
        )
    elif "case" in metafunc.fixturenames:
        metafunc.parametrize("case", names, indirect=True, scope="session")
    elif "modality" in metafunc.fixturenames:
        metafunc.parametrize("modality", names, indirect=True)


@pytest.fixture
def modality(request: pytest.FixtureRequest) -> Modality[Options]:
    """One registered modality."""
    return registry.modality(request.param)


_CASES: dict[str, Case] = {}


@pytest.fixture(scope="session")
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """One registered modality with its synthetic files."""
    name = request.param
    if name not in _CASES:
        found = registry.modality(name)
        options = found.complete(found.options(**SMALL.get(name, {})), Weights())
        folder = tmp_path_factory.mktemp(name)
        cells = {
            f.name: found.synthesize(f.name, keyed_rng("contract", f.name), folder)
            for f in found.findings
        }
        samples = {n: found.read(Source(c, folder), options) for n, c in cells.items()}
        _CASES[name] = Case(name, found, options, folder, cells, samples)
    return _CASES[name]


@pytest.fixture
def obey():
    """Return a function that asserts that a sample obeys a modality's spec."""

    def check(modality: Modality[Options], sample: Sample) -> None:
        spec = modality.spec
        assert sample.data.dtype == np.dtype(spec.dtype)
        assert sample.data.ndim == len(spec.axes.split())
        assert sample.data.size > 0
        real = np.ones(sample.data.shape, bool)
        if sample.valid is not None:
            assert sample.valid.dtype == np.bool_
            real = np.broadcast_to(sample.valid, sample.data.shape)
        values = sample.data[real].astype(np.float64)
        assert np.isfinite(values).all()
        assert values.size == 0 or (values.min() >= spec.low and values.max() <= spec.high)
        assert all(isinstance(key, str) for key in sample.meta)
        assert all(flag.startswith("F-") for flag in sample.flags)

    return check


@pytest.fixture
def encoder_options():
    """Return a function from (modality, entry) to encoder options small enough for a test."""

    def find(name: str, entry) -> Options:
        return entry.options(**SMALL_ENCODERS.get((name, entry.name), {}))

    return find
