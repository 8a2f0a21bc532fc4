"""Turns the covid-chestxray-dataset folder into a manifest: radiographs, notes, findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from pipelines.datasets.rows import read_rows, split_groups, to_table
from workbench.dataset import Adapted, Dataset
from workbench.modality import Options

METADATA = "metadata.csv"
COLUMNS = ("id", "group", "split", "xray", "report", "covid", "finding", "view", "age", "sex")
SOURCE = (
    "covid-chestxray-dataset, Cohen et al. 2020 (arXiv 2003.11597); licence per image, mostly "
    "CC BY-NC-SA: credit the url and doi of each row"
)
_LAYOUT = f"a folder with {METADATA} and images/"
_NEEDED = ("image", "patientid", "finding", "view", "sex", "age", "clinical_notes", "modality")
_SEX = {"M": "male", "F": "female"}


class CovidCxrOptions(Options):
    """How patients are split.

    Attributes:
        seed: of the split 70/10/20 by patient, stratified by COVID-19 against other.
    """

    seed: int = 0


class CovidCxr(Dataset[CovidCxrOptions]):
    """Chest radiographs with clinical notes; several images of a patient may share one note."""

    summary = "covid-chestxray-dataset: radiographs, clinical notes, COVID-19 against other"
    options = CovidCxrOptions

    def adapt(self, root: Path, options: CovidCxrOptions) -> Adapted:
        """Return one row per radiograph whose image exists.

        Raises:
            Refusal: the table or a column is missing.
        """
        rejected: Counter[str] = Counter()
        kept: list[dict[str, str]] = []
        seen: set[str] = set()
        for _, source in read_rows(root / METADATA, _NEEDED, layout=_LAYOUT):
            reason = _reason(source, root, seen)
            if reason:
                rejected[reason] += 1
            else:
                seen.add(source["image"])
                kept.append(source)
        # a patient with a COVID-19 image in any study belongs to that stratum
        strata: dict[str, str] = {}
        for row in kept:
            patient = row["patientid"].strip()
            strata[patient] = max(strata.get(patient, "other"), _covid(row["finding"]),
                                  key=lambda label: label == "covid")  # fmt: skip
        splits = split_groups(strata, seed=options.seed)
        rows = [_row(row, splits[row["patientid"].strip()]) for row in kept]
        return Adapted(to_table(rows, COLUMNS), root, dict(rejected), SOURCE)


def _reason(row: Mapping[str, str], root: Path, seen: set[str]) -> str:
    """Return why an image is left out, or an empty string."""
    if row["modality"].strip() != "X-ray":
        return "not a radiograph"
    if not row["patientid"].strip():
        return "no patient"
    if row["finding"].strip().lower() in {"", "todo", "unknown"}:
        return "no finding"
    if row["image"] in seen:
        return "image listed twice"
    if not _image(row, root):
        return "no image file"
    return ""


def _image(row: Mapping[str, str], root: Path) -> bool:
    return bool(row["image"]) and (root / row["image"]).is_file()


def _row(row: Mapping[str, str], split: str) -> dict[str, str | None]:
    return {
        "id": Path(row["image"]).stem,
        "group": row["patientid"].strip(),
        "split": split,
        "xray": row["image"],
        "report": row["clinical_notes"].strip() or None,
        "covid": _covid(row["finding"]),
        "finding": row["finding"].strip(),
        "view": row["view"].strip() or None,
        "age": row["age"].strip().removesuffix(".0") or None,
        "sex": _SEX.get(row["sex"].strip()),
    }


def _covid(finding: str) -> str:
    """Return "covid" or "other"; a finding may hold several names ("COVID-19, ARDS")."""
    return "covid" if "covid" in finding.lower() else "other"


COVID_CXR = CovidCxr()
