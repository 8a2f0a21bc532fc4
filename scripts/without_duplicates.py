"""Prints a barcode run's accuracy on queries whose sequence does not occur in the training split.

    python scripts/without_duplicates.py RUN FOLDER_OF_INSECT_COI

Queries of unseen species count as duplicates where `key_unseen` holds their sequence, as the data
set's own column `exact_dup_in_gallery` has it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet

from pipelines.datasets.insect_coi import INSECT_COI
from workbench.seeding import keyed_rng

REPLICATES = 2000


def main(run: Path, root: Path) -> None:
    """Print one line per task and kind of vector, in percent."""
    table = INSECT_COI.adapt(root, INSECT_COI.options()).table
    flags = table.column("exact_dup_in_gallery").to_pylist()
    unique = {
        i for i, flag in zip(table.column("id").to_pylist(), flags, strict=True) if flag == "0"
    }
    for path in sorted((run / "predictions").glob("*.parquet")):
        rows = [r for r in pyarrow.parquet.read_table(path).to_pylist() if r["included"]]
        for name in sorted(rows[0]) if rows else ():
            if name.startswith("prediction"):
                hits = {r["id"]: r[name] == r["label"] for r in rows}
                _line(f"{path.stem} {name}", [hit for i, hit in hits.items() if i in unique], hits)


def _line(name: str, kept: list[bool], every: dict[str, bool]) -> None:
    """Print accuracy over all and over the kept queries, with a 95 % bootstrap interval."""
    hits = np.array(kept, dtype=float)
    draws = keyed_rng(0, "without duplicates").integers(len(hits), size=(REPLICATES, len(hits)))
    low, high = np.percentile(hits[draws].mean(axis=1), [2.5, 97.5])
    whole = np.mean(list(every.values()))
    sys.stdout.write(
        f"{name}: all {100 * whole:.1f} of {len(every)}, without duplicates "
        f"{100 * hits.mean():.1f} ({100 * low:.1f} - {100 * high:.1f}) of {len(hits)}\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
