"""OpenI: the archive is read member by member, damaged and empty reports are counted."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from pipelines.datasets.openi import ARCHIVE, OPENI, OpeniOptions
from workbench.errors import Refusal

XML = (
    '<eCitation><uId id="{name}"/><AbstractText Label="FINDINGS">{text}</AbstractText>'
    '<AbstractText Label="INDICATION">cough</AbstractText><MeSH><major>{major}</major></MeSH></eCitation>'
)


def _archive(root: Path, members: dict[str, str]) -> Path:
    with tarfile.open(root / ARCHIVE, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    return root


def test_a_missing_or_cut_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="E-MAN-101"):
        OPENI.adapt(tmp_path, OpeniOptions())
    (tmp_path / ARCHIVE).write_bytes(b"\x1f\x8b\x08\0\0\0")
    with pytest.raises(Refusal, match="E-MAN-102"):
        OPENI.adapt(tmp_path, OpeniOptions())


def test_reports_become_rows_and_the_rest_is_counted(tmp_path: Path) -> None:
    _archive(
        tmp_path,
        {
            "a/1.xml": XML.format(name="CXR1", text="Clear.", major="normal"),
            "../../2.xml": XML.format(name="CXR2", text="Nodule.", major="Nodule/lung"),
            "a/3.xml": XML.format(name="CXR3", text="", major=""),
            "a/4.xml": "<eCitation>",
            "a/readme.txt": "x",
        },
    )
    adapted = OPENI.adapt(tmp_path, OpeniOptions())
    assert adapted.rejected == {"no text in any section": 1, "malformed XML": 1}
    first, second = adapted.table.to_pylist()
    assert (first["id"], first["report"]) == ("CXR1", "INDICATION: cough\nFINDINGS: Clear.")
    assert (first["normal"], second["normal"], second["mesh"]) == ("normal", "abnormal", "Nodule")
    assert sorted(path.name for path in tmp_path.iterdir()) == [ARCHIVE]


def test_the_real_archive_gives_every_report_with_text(sample_data) -> None:  # type: ignore[no-untyped-def]
    adapted = OPENI.adapt(sample_data("reports/openi-nlmcxr"), OpeniOptions())
    assert adapted.table.num_rows + sum(adapted.rejected.values()) == 3955
    assert adapted.rejected == {"no text in any section": 28}
