"""Adapter of BOLD tables: the v3 "combined" export and the data-package TSV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pipelines.datasets.rows import split_groups, to_table
from workbench.dataset import Adapted, Dataset
from workbench.errors import Refusal
from workbench.modality import Options

ALIASES: Mapping[str, tuple[str, ...]] = {
    "id": ("processid",),
    "group": ("sampleid", "processid"),
    "dna": ("nucleotides", "nucraw", "nuc", "dna_barcode"),
    "marker": ("markercode", "marker_code"),
    "bin_uri": ("bin_uri", "dna_bin"),
    "class": ("class_name", "class"),
    "order": ("order_name", "order"),
    "family": ("family_name", "family"),
    "subfamily": ("subfamily_name", "subfamily"),
    "genus": ("genus_name", "genus"),
    "species": ("species_name", "species"),
    "country": ("country",),
}
"""Column of the manifest -> names it has in BOLD's releases. No collector, no e-mail, no place."""
NEEDED = ("id", "dna", "marker")
OUTPUT = (
    "id",
    "group",
    "split",
    *(name for name in ALIASES if name not in ("id", "group", "marker")),
)
SOURCE = "BOLD public data, CC BY-SA 4.0; cite Ratnasingham & Hebert 2007"
_MISSING = ("", "None")
_SIZE_LIMIT = 4 << 30


class BoldOptions(Options):
    """Schema of the adapter's options.

    Attributes:
        marker: rows of another marker are left out.
        split_by: "specimen" spreads species over the splits; "bin" keeps every sequence in one
            split, and with it its BIN, so that test species are mostly unseen; a sequence that is
            filed under two BINs goes with the first.
        seed: of the order in which groups are dealt: 70 % train, 10 % val, 20 % test.
    """

    marker: str = "COI-5P"
    split_by: Literal["specimen", "bin"] = "specimen"
    seed: int = 0


class Bold(Dataset[BoldOptions]):
    """One row per specimen with the marker; the sequence stands in the cell, gaps and all."""

    summary = "BOLD TSV: v3 combined export or data package"
    options = BoldOptions

    def adapt(self, root: Path, options: BoldOptions) -> Adapted:
        """Return the manifest of every `*.tsv` in `root`, or of the file `root` itself.

        Raises:
            Refusal: no table, or a table without processid, sequence or marker column.
        """
        files = [root] if root.is_file() else sorted(root.glob("*.tsv"))
        if not files:
            raise Refusal(
                "E-MAN-007", file=root.name, field="folder", found="no .tsv", expected="BOLD TSV"
            )
        rows: dict[str, dict[str, str | None]] = {}
        rejected: Counter[str] = Counter()
        for path in files:
            for row in _rows(path):
                reason = _reason(row, rows, options.marker)
                if reason:
                    rejected[reason] += 1
                else:
                    rows[str(row["id"])] = row
        _split(rows, options)
        folder = root.parent if root.is_file() else root
        return Adapted(to_table(list(rows.values()), OUTPUT), folder, dict(rejected), SOURCE)


BOLD = Bold()


def _rows(path: Path) -> list[dict[str, str | None]]:
    """Return the rows of one table; a CR inside a row, as v3 exports have, is dropped."""
    if path.stat().st_size > _SIZE_LIMIT:
        raise Refusal(
            "E-MAN-016", file=path.name, field="size", found=f"{path.stat().st_size} bytes",
            expected=f"at most {_SIZE_LIMIT}",
        )  # fmt: skip
    text = path.read_bytes().decode("utf-8-sig", errors="replace").replace("\r", "")
    header, *lines = text.split("\n")
    places = _places(path, header.split("\t"))
    return [
        {name: _cell(cells, place) for name, place in places.items()}
        for cells in (line.split("\t") for line in lines if line.strip())
    ]


def _places(path: Path, header: list[str]) -> dict[str, int | None]:
    """Return the column number of every name, None where the table has none."""
    found = {
        name: next((header.index(alias) for alias in aliases if alias in header), None)
        for name, aliases in ALIASES.items()
    }
    for name in NEEDED:
        if found[name] is None:
            raise Refusal(
                "E-MAN-014", file=path.name, field="header", found=f"no {name} column",
                expected=f"one of {list(ALIASES[name])}",
            )  # fmt: skip
    return found


def _cell(cells: list[str], place: int | None) -> str | None:
    """Return a cell, None where it is missing."""
    value = cells[place].strip() if place is not None and place < len(cells) else ""
    return None if value in _MISSING else value


def _reason(
    row: Mapping[str, str | None], kept: Mapping[str, Mapping[str, str | None]], marker: str
) -> str:
    """Return why a row is left out; empty when it is kept."""
    if row["id"] is None:
        return "no processid"
    if row["marker"] != marker:
        return "another marker"
    if not (row["dna"] or "").strip("-Nn"):
        return "no sequence"
    return "processid used twice" if row["id"] in kept else ""


def _split(rows: Mapping[str, dict[str, str | None]], options: BoldOptions) -> None:
    """Fill in group and split; equal sequences follow the first BIN they are seen with."""
    owner: dict[str, str] = {}
    for row in rows.values():
        if row["bin_uri"]:
            owner.setdefault(_bare(row), row["bin_uri"])
    unit: dict[str, str] = {}
    label: dict[str, str] = {}
    for name, row in rows.items():
        group = row["group"] or name
        row["group"] = group
        bin_unit = owner.get(_bare(row), _bare(row))
        unit[name] = bin_unit if options.split_by == "bin" else group
        label.setdefault(unit[name], "" if options.split_by == "bin" else row["species"] or "")
    splits = split_groups(label, seed=options.seed)
    for name, row in rows.items():
        row["split"] = splits[unit[name]]


def _bare(row: Mapping[str, str | None]) -> str:
    """Return the sequence of a row without gaps and end N."""
    return (row["dna"] or "").replace("-", "").upper().strip("N")
