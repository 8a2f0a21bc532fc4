"""Adapter of the 23,340 insect COI barcodes of BOLD with seen and unseen species."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from workbench.dataset import Adapted, Dataset
from workbench.errors import Refusal
from workbench.modality import Options

FILES = ("insect_coi.tsv.gz", "insect_coi.tsv", "insect_coi_small.tsv")
"""Names looked for in a root folder, in this order."""
SPLITS = ("train", "val_seen", "test_seen", "key_unseen", "test_unseen")
COLUMNS: Mapping[str, str] = {
    "id": "processid",
    "group": "processid",
    "split": "split",
    "dna": "nucleotides",
    "order": "order_name",
    "family": "family_name",
    "subfamily": "subfamily_name",
    "genus": "genus_name",
    "species": "species_name",
    "bin_uri": "bin_uri",
    "country": "country",
    "exact_dup_in_gallery": "exact_dup_in_gallery",
}
"""Column of the manifest -> column of the table."""
SOURCE = (
    "Insect COI-5P barcodes of BOLD, species of the INSECT data set (Badirli et al. 2021); data "
    "CC BY-SA 4.0 (BOLD public data); cite Ratnasingham & Hebert 2007, doi:10.1111/j.1471-8286"
    ".2007.01678.x"
)
_MISSING = ("", "None")


class InsectCoiOptions(Options):
    """Schema of the adapter's options.

    Attributes:
        exact_duplicates: False leaves out queries whose sequence occurs in their gallery.
    """

    exact_duplicates: bool = True


class InsectCoi(Dataset[InsectCoiOptions]):
    """One row per specimen; the sequence stands in the cell."""

    summary = "23,340 insect COI barcodes, 767 species, seen and unseen splits (BOLD)"
    options = InsectCoiOptions

    def adapt(self, root: Path, options: InsectCoiOptions) -> Adapted:
        """Return the manifest of `insect_coi.tsv.gz` in `root`, or of the file `root` itself.

        Raises:
            Refusal: the file, a column or a split is not what the layout has.
        """
        import pyarrow as pa

        path = _table(root)
        columns: dict[str, list[str | None]] = {name: [] for name in COLUMNS}
        rejected: Counter[str] = Counter()
        seen: set[str] = set()
        for row in _rows(path):
            reason = _reason(row, seen, options)
            if reason:
                rejected[reason] += 1
                continue
            seen.add(row["processid"])
            for name, key in COLUMNS.items():
                columns[name].append(None if row[key] in _MISSING else row[key])
        table = pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()})
        return Adapted(table, path.parent, dict(rejected), SOURCE)


INSECT_COI = InsectCoi()


def _table(root: Path) -> Path:
    """Return the table to read."""
    if root.is_file():
        return root
    found = next((root / name for name in FILES if (root / name).is_file()), None)
    if found is None:
        raise Refusal(
            "E-MAN-007", file=root.name, field="insect_coi", found="no table",
            expected=f"one of {list(FILES)}",
        )  # fmt: skip
    return found


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of the table, its header checked."""
    packed = path.suffix == ".gz"
    with (
        gzip.open(path, "rt", encoding="utf-8", newline="")
        if packed
        else open(path, encoding="utf-8", newline="") as stream
    ):
        reader = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE, restval="")
        missing = sorted(set(COLUMNS.values()) - set(reader.fieldnames or ()))
        if missing:
            raise Refusal(
                "E-MAN-014", file=path.name, field="header", found=f"no column {missing}",
                expected=f"{sorted(set(COLUMNS.values()))}",
            )  # fmt: skip
        yield from reader


def _reason(row: Mapping[str, str], seen: set[str], options: InsectCoiOptions) -> str:
    """Return why a row is left out; empty when it is kept."""
    if not row["processid"]:
        return "no processid"
    if row["processid"] in seen:
        return "processid used twice"
    if row["split"] not in SPLITS:
        return "unknown split"
    if row["nucleotides"] in _MISSING:
        return "no sequence"
    if not options.exact_duplicates and row["exact_dup_in_gallery"] == "1":
        return "exact duplicate in gallery"
    return ""
