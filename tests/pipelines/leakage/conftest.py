"""Plans, manifests and decoded samples small enough to know every leak in them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.leakage.seen import Seen
from pipelines.prints import stacked
from workbench.fingerprint import Fingerprint
from workbench.leakage_config import LeakageConfig
from workbench.manifest import Manifest
from workbench.modality import Sample


class Fake:
    """A modality of numbers; two are as near as their distance says."""

    near_at = 0.9

    def __init__(self, cell="path", *, repeats=False):
        self.spec = SimpleNamespace(cell=cell, name="fake")
        self.repeats = repeats
        self.compared = 0

    def near(self, a, b, options):
        self.compared += 1
        return 1.0 - abs(float(a.data[0]) - float(b.data[0]))


@pytest.fixture
def part():
    def make(key="ecg", *, cell="path", repeats=False, column=None, template=None, weights=None):
        config = SimpleNamespace(column=column, template=template)
        return SimpleNamespace(
            key=key, modality=Fake(cell, repeats=repeats), config=config, options=None,
            weights=weights, entry=SimpleNamespace(data="not known"),
        )  # fmt: skip

    return make


@pytest.fixture
def plan():
    """Return a function from parts and settings to a plan."""

    def make(*parts, duplicates="refuse", tasks=(), dataset=None, synthetic=None, **leakage):
        manifest = SimpleNamespace(
            duplicates=duplicates, group="group", id="id", dataset=dataset, synthetic=synthetic
        )
        align = SimpleNamespace(patience=None)
        config = SimpleNamespace(manifest=manifest, leakage=LeakageConfig(**leakage), align=align)
        return SimpleNamespace(pipeline=config, parts={p.key: p for p in parts}, tasks=tasks)

    return make


@pytest.fixture
def manifest():
    """Return a function from splits to a manifest whose rows are their own groups."""

    def make(splits, groups=None, **columns):
        ids = tuple(f"r{n}" for n in range(len(splits)))
        named = {name: tuple(values) for name, values in columns.items()}
        return Manifest("rows.csv", ids, tuple(groups or ids), tuple(splits), named)

    return make


@pytest.fixture
def seen():
    """Return a function from digests and fingerprints to what the audit sees."""

    def make(part, digests, *, rows=None, prints=None, values=None):
        count = len(digests)
        rows = np.arange(count) if rows is None else np.array(rows)
        marks = prints or [Fingerprint() for _ in range(count)]
        values = values or [0.0] * count
        return Seen(
            part, rows, tuple(digests), stacked(marks), lambda n: Sample(np.array([values[n]]))
        )

    return make
