"""Writes the pairs that the audit found as `leakage.parquet`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.leakage.checks import Check
from workbench.files import atomic_write
from workbench.manifest import Manifest

NAME = "leakage.parquet"


def write_pairs(checks: Sequence[Check], manifest: Manifest, folder: Path) -> None:
    """Write one line per pair: the check, its verdict, both rows' id, group and split, likeness."""
    import pyarrow as pa
    import pyarrow.parquet

    columns: dict[str, list[Any]] = {
        "check": [c.name for c in checks for _ in c.pairs],
        "verdict": [c.verdict for c in checks for _ in c.pairs],
    }
    pairs = [p for c in checks for p in c.pairs]
    facts = {"id": manifest.ids, "group": manifest.groups, "split": manifest.splits}
    for side in ("a", "b"):
        for name, values in facts.items():
            columns[f"{name}_{side}"] = [values[getattr(p, side)] for p in pairs]
    texts = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    likeness = pa.array([p.likeness for p in pairs], pa.float64())
    stream = io.BytesIO()
    pa.parquet.write_table(pa.table({**texts, "likeness": likeness}), stream, compression="zstd")
    atomic_write(folder / NAME, stream.getvalue())
