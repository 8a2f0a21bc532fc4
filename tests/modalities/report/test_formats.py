"""Structured formats give their sections, or the documented refusal."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from modalities.report import REPORT
from modalities.report.options import ReportOptions
from workbench.errors import BadInput
from workbench.modality import Source

XML = '<?xml version="1.0"?>{dtd}<{root}><AbstractText Label="FINDINGS">{text}</AbstractText></{root}>'


def _read(folder: Path, data: bytes | str, name: str = "r.xml") -> str:
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return str(REPORT.read(Source(name, folder), ReportOptions()).meta["text"])


def _code(folder: Path, data: bytes | str, name: str = "r.xml") -> str:
    with pytest.raises(BadInput) as caught:
        _read(folder, data, name)
    return caught.value.code


def _fhir(**fields: Any) -> str:
    return json.dumps({"resourceType": "DiagnosticReport", **fields})


def test_malformed_and_foreign_xml_are_refused(tmp_path: Path) -> None:
    assert _code(tmp_path, "<?xml version='1.0'?><eCitation><AbstractText>") == "E-TXT-102"
    assert _code(tmp_path, XML.format(dtd="", root="html", text="x")) == "E-TXT-103"


@pytest.mark.parametrize(
    "dtd",
    ['<!DOCTYPE e [<!ENTITY a "b">]>', '<!DOCTYPE e [<!ENTITY a SYSTEM "file:///etc/passwd">]>'],
)
def test_xml_entities_are_refused(tmp_path: Path, dtd: str) -> None:
    assert _code(tmp_path, XML.format(dtd=dtd, root="eCitation", text="&a;")) == "E-TXT-102"


def test_openi_sections_are_read(tmp_path: Path) -> None:
    assert _read(tmp_path, XML.format(dtd="", root="eCitation", text="Clear.")) == "Clear."


@pytest.mark.parametrize("data", ["{", "[" * 100_000, '{"resourceType": "Patient"}', "{}"])
def test_json_that_is_no_report_is_refused(tmp_path: Path, data: str) -> None:
    data = "{" + data if not data.startswith("{") else data
    assert _code(tmp_path, data, "r.json") == "E-TXT-106"


def test_deep_json_is_refused(tmp_path: Path) -> None:
    assert _code(tmp_path, '{"a":' * 200_000, "r.json") == "E-TXT-106"


def test_an_attachment_that_is_no_base64_is_refused(tmp_path: Path) -> None:
    form = [{"contentType": "text/plain", "data": "%%%"}]
    assert _code(tmp_path, _fhir(presentedForm=form), "r.json") == "E-TXT-106"


def test_fhir_conclusion_observations_and_attachments_are_read(tmp_path: Path) -> None:
    report = _fhir(
        conclusion="Effusion.",
        contained=[{"resourceType": "Observation", "code": {"text": "Heart"}, "valueString": "normal"}],
        presentedForm=[
            {"contentType": "text/plain", "data": base64.b64encode(b"FINDINGS: Fluid.").decode()},
            {"contentType": "application/pdf", "data": "AAAA"},
        ],
        subject={"display": "Jane Example"},
    )  # fmt: skip
    text = _read(tmp_path, report, "r.json")
    assert text == "Heart: normal\nFluid.\nEffusion."


def test_a_bundle_and_a_narrative_are_read(tmp_path: Path) -> None:
    inner = json.loads(_fhir(text={"div": "<div>No <b>effusion</b>.</div>"}))
    bundle = json.dumps({"resourceType": "Bundle", "entry": [{"resource": inner}]})
    assert _read(tmp_path, bundle, "r.json") == "No effusion ."


def test_a_structured_report_gives_text_under_its_headings_and_no_names(tmp_path: Path) -> None:
    (tmp_path / "r.dcm").write_bytes(b"")
    _write_sr(tmp_path / "r.dcm")
    sample = REPORT.read(Source("r.dcm", tmp_path), ReportOptions())
    assert sample.meta["text"] == "Small effusion.\nNo pneumothorax."
    assert sample.meta["sections"] == ("findings", "impression")


def _write_sr(path: Path) -> None:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    def item(kind: str, concept: str, relation: str = "CONTAINS", **values: Any) -> Dataset:
        name = Dataset()
        name.CodeMeaning = concept
        node = Dataset()
        node.RelationshipType, node.ValueType, node.ConceptNameCodeSequence = relation, kind, [name]
        for key, value in values.items():
            setattr(node, key, value)
        return node

    report = Dataset()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    report.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    report.SOPClassUID, report.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.3"
    report.Modality, report.ValueType = "SR", "CONTAINER"
    report.ContentSequence = [
        item("PNAME", "Observer", "HAS OBS CONTEXT", PersonName="Example^Jane"),
        item("CONTAINER", "Findings", ContentSequence=[
            item("TEXT", "Findings", TextValue="Small effusion."),
        ]),
        item("TEXT", "Impression", TextValue="No pneumothorax."),
    ]  # fmt: skip
    report.save_as(path, enforce_file_format=True)
