"""Turns the PTB-XL folder into a manifest: ECG records, report text, superclasses."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pipelines.datasets.rows import read_rows, to_table
from workbench.dataset import Adapted, Dataset
from workbench.errors import Refusal
from workbench.modality import Options

DATABASE = "ptbxl_database.csv"
STATEMENTS = "scp_statements.csv"
SOURCE = "PTB-XL 1.0.3, CC BY 4.0, Wagner et al. 2020, doi 10.13026/kfzx-aw45"
COLUMNS = (
    "id", "group", "split", "ecg", "report", "superclass", "rhythm", "age", "sex",
)  # fmt: skip
_LAYOUT = f"a folder with {DATABASE}, {STATEMENTS} and records100/ or records500/"
_VALIDATION, _TEST = 9, 10
_SEX = {"0": "male", "1": "female"}


class PtbxlOptions(Options):
    """Which records are used.

    Attributes:
        rate_hz: 100 takes `filename_lr`, 500 takes `filename_hr`.
    """

    rate_hz: Literal[100, 500] = 100


class Ptbxl(Dataset[PtbxlOptions]):
    """PTB-XL: folds 1-8 train, 9 validation, 10 test; the patient is the group."""

    summary = "PTB-XL 12-lead ECGs with reports and diagnostic superclasses"
    options = PtbxlOptions

    def adapt(self, root: Path, options: PtbxlOptions) -> Adapted:
        """Return one row per ECG whose waveform files exist.

        Raises:
            Refusal: a table or a column is missing, or a cell cannot be read.
        """
        file = "filename_lr" if options.rate_hz == 100 else "filename_hr"
        needed = ("ecg_id", "patient_id", "age", "sex", "report", "scp_codes", "strat_fold", file)
        superclass, rhythm = _statements(root)
        rows: list[Mapping[str, str | None]] = []
        rejected: Counter[str] = Counter()
        for line, source in read_rows(root / DATABASE, needed, layout=_LAYOUT):
            reason = _reason(source, root, file)
            if reason:
                rejected[reason] += 1
                continue
            codes = _codes(source["scp_codes"], line)
            rows.append({
                "id": source["ecg_id"],
                "group": _whole(source["patient_id"]),
                "split": _split(source["strat_fold"], line),
                "ecg": f"{source[file]}.hea",
                "report": source["report"].strip() or None,
                "superclass": _joined({superclass[c] for c in codes if c in superclass}),
                "rhythm": _joined({c for c in codes if c in rhythm}),
                "age": _whole(source["age"]),
                "sex": _SEX.get(_whole(source["sex"]) or ""),
            })  # fmt: skip
        return Adapted(to_table(rows, COLUMNS), root, dict(rejected), SOURCE)


def _statements(root: Path) -> tuple[dict[str, str], set[str]]:
    """Return code -> diagnostic superclass, and the codes that name a rhythm."""
    needed = ("", "diagnostic", "rhythm", "diagnostic_class")
    superclass: dict[str, str] = {}
    rhythm: set[str] = set()
    for _, row in read_rows(root / STATEMENTS, needed, layout=_LAYOUT):
        if _whole(row["diagnostic"]) == "1" and row["diagnostic_class"]:
            superclass[row[""]] = row["diagnostic_class"]
        if _whole(row["rhythm"]) == "1":
            rhythm.add(row[""])
    return superclass, rhythm


def _reason(row: Mapping[str, str], root: Path, file: str) -> str:
    """Return why a record is left out, or an empty string."""
    if not row["ecg_id"] or not row["patient_id"]:
        return "no id or patient"
    if not row[file]:
        return f"no {file}"
    if not (root / f"{row[file]}.hea").is_file() or not (root / f"{row[file]}.dat").is_file():
        return "no waveform file"
    return ""


def _codes(cell: str, line: int) -> list[str]:
    """Return the SCP codes of a cell; the likelihood is not used, 0 included."""
    try:
        found: Any = ast.literal_eval(cell or "{}")
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        found = None
    if not isinstance(found, dict):
        raise _bad(line, "scp_codes", f"{len(cell)} characters", "a dictionary code: likelihood")
    return [str(code) for code in found]


def _split(cell: str, line: int) -> str:
    fold = _whole(cell) or ""
    if not fold.isdigit() or not 1 <= int(fold) <= _TEST:
        raise _bad(line, "strat_fold", repr(cell[:20]), "1 to 10")
    return "test" if int(fold) == _TEST else "val" if int(fold) == _VALIDATION else "train"


def _joined(labels: set[str]) -> str | None:
    """Return labels joined by "|" in a fixed order; none is missing, not an empty label."""
    return "|".join(sorted(labels)) or None


def _whole(cell: str) -> str | None:
    """Return "15709.0" as "15709"; an age of 300 stands for over 89 and stays as it is."""
    text = cell.strip()
    return (text[:-2] if text.endswith(".0") else text) or None


def _bad(line: int, field: str, found: str, expected: str) -> Refusal:
    return Refusal(
        "E-MAN-100", file=f"{DATABASE}:{line}", field=field, found=found, expected=expected
    )


PTBXL = Ptbxl()
