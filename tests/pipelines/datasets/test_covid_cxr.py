"""covid-chestxray-dataset: patients never cross splits, what cannot be used is counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from pipelines.datasets.covid_cxr import COVID_CXR, CovidCxrOptions
from workbench.errors import Refusal

HEAD = "image,patientid,finding,view,sex,age,clinical_notes,modality\n"


def test_a_folder_without_its_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"E-MAN-101 metadata.csv: .*images/"):
        COVID_CXR.adapt(tmp_path, CovidCxrOptions())


def test_unusable_rows_are_counted_by_reason(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "metadata.csv").write_text(
        HEAD + 'a.jpg,1,"COVID-19, ARDS",PA,M,54.0,"note",X-ray\n'
        "a.jpg,1,COVID-19,PA,M,54,,X-ray\na.jpg,1,COVID-19,,,,,CT\ngone.jpg,2,Pneumonia,,,,,X-ray\n"
        "a.jpg,,Pneumonia,,,,,X-ray\na.jpg,3,todo,,,,,X-ray\n"
    )
    adapted = COVID_CXR.adapt(tmp_path, CovidCxrOptions())
    assert adapted.rejected == {
        "image listed twice": 1, "not a radiograph": 1, "no image file": 1, "no patient": 1,
        "no finding": 1,
    }  # fmt: skip
    (row,) = adapted.table.to_pylist()
    assert (row["covid"], row["age"], row["sex"], row["report"]) == ("covid", "54", "male", "note")


def test_the_real_collection_splits_by_patient_with_both_labels_everywhere(sample_data) -> None:  # type: ignore[no-untyped-def]
    rows = COVID_CXR.adapt(sample_data("xray/covid-chestxray"), CovidCxrOptions()).table.to_pylist()
    places: dict[str, set[str]] = {}
    for row in rows:
        places.setdefault(row["group"], set()).add(row["split"])
    assert (len(rows), len(places)) == (205, 106)
    assert all(len(splits) == 1 for splits in places.values())
    assert sum(row["report"] is not None for row in rows) == 135
    assert len(Counter((row["split"], row["covid"]) for row in rows)) == 6
