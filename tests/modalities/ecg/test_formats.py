"""DICOM, EDF, XML, CSV and .npy: hostile and damaged files first, then exact millivolts."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import numpy as np
import pytest

from modalities.ecg.leads import LEADS
from modalities.ecg.options import ECGOptions
from modalities.ecg.read import peek_ecg, read_ecg
from workbench.errors import BadInput
from workbench.modality import Source
from workbench.seeding import keyed_rng

RATE_HZ = 100
OPTIONS = ECGOptions(rate_hz=RATE_HZ, seconds=2)
STORED = np.round(200 * np.sin(np.arange(200) / 7 + np.arange(12)[:, None])).astype(np.int16)


def refused(path: Path, options: ECGOptions = OPTIONS) -> BadInput:
    with pytest.raises(BadInput) as caught:
        read_ecg(Source(path.name, path.parent), options)
    assert caught.value.file.startswith(path.name)
    return caught.value


def read(path: Path, options: ECGOptions = OPTIONS):
    return read_ecg(Source(path.name, path.parent), options)


def write_dicom(
    path: Path, *, sensitivity="2.5", unit="uV", stored=STORED, bits=16, **extra
) -> Path:
    import pydicom
    from pydicom.dataset import Dataset, FileMetaDataset

    def coded(value, scheme="UCUM"):
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, value
        return item

    group = Dataset()
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = stored.shape
    group.SamplingFrequency = str(RATE_HZ)
    group.WaveformBitsAllocated = bits
    group.WaveformSampleInterpretation = "SS" if bits == 16 else "SB"
    group.add_new("WaveformData", "OW", stored.T.astype("<i2" if bits == 16 else "i1").tobytes())
    definitions = []
    for lead in LEADS:
        channel = Dataset()
        channel.ChannelSourceSequence = [coded(f"Lead {lead}", "local")]
        if sensitivity is not None:
            channel.ChannelSensitivity = sensitivity
            channel.ChannelSensitivityUnitsSequence = [coded(unit)]
        channel.ChannelSensitivityCorrectionFactor = extra.get("correction", "1")
        channel.ChannelBaseline = extra.get("baseline", "0")
        definitions.append(channel)
    group.ChannelDefinitionSequence = definitions
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.1"
    dataset.SOPInstanceUID = "1.2.3"
    dataset.PatientName = "Canary^Person"
    dataset.WaveformSequence = [group]
    for key, value in extra.get("group", {}).items():
        setattr(group, key, value)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.file_meta = meta
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_dicom_is_refused_without_a_name(tmp_path, share):
    path = write_dicom(tmp_path / "cut.dcm")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    error = refused(path)
    assert error.code in ("E-ECG-023", "E-ECG-024")
    assert "Canary" not in str(error)


def test_dicom_that_declares_more_samples_than_it_holds_is_refused(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", group={"NumberOfWaveformSamples": 1000})
    assert refused(path).code == "E-ECG-023"
    path = write_dicom(tmp_path / "b.dcm", group={"NumberOfWaveformSamples": 4_000_000_000})
    assert refused(path).code == "E-ECG-007"


def test_dicom_without_a_waveform_is_refused(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", group={})
    import pydicom

    dataset = pydicom.dcmread(path)
    del dataset.WaveformSequence
    dataset.save_as(path)
    assert refused(path).code == "E-ECG-024"


def test_dicom_units_sensitivity_correction_and_baseline_give_exact_millivolts(tmp_path):
    values = STORED.astype(np.float64)
    cases = [
        ({}, values * 2.5e-3),
        ({"sensitivity": "0.0025", "unit": "mV"}, values * 2.5e-3),
        ({"correction": "2"}, values * 5e-3),
        ({"baseline": "100"}, values * 2.5e-3 + 0.1),
        ({"stored": (STORED // 2), "bits": 8}, (STORED // 2).astype(np.int8) * 2.5e-3),
    ]
    for number, (arguments, expected) in enumerate(cases):
        sample = read(write_dicom(tmp_path / f"{number}.dcm", **arguments))
        np.testing.assert_allclose(sample.data, expected, atol=1e-6)


def test_dicom_without_sensitivity_is_flagged_and_refused_when_strict(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", sensitivity=None)
    assert "F-ECG-024 sensitivity-assumed" in read(path).flags
    assert refused(path, OPTIONS.model_copy(update={"strict": True})).code == "E-ECG-024"
    assert refused(write_dicom(tmp_path / "b.dcm", unit="mmHg")).code == "E-ECG-010"
    assert refused(write_dicom(tmp_path / "c.dcm", sensitivity="0")).code == "E-ECG-024"


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


def aecg(
    *, dtd="", namespace=' xmlns="urn:hl7-org:v3"', step="0.01", digits=None, scale="2.5"
) -> str:
    leads = "".join(
        f'<component><sequence><code code="MDC_ECG_LEAD_{lead.upper()}"/><value>'
        f'<origin value="0" unit="uV"/><scale value="{scale}" unit="uV"/>'
        f"<digits>{digits or ' '.join(map(str, row))}</digits></value></sequence></component>"
        for lead, row in zip(LEADS, STORED, strict=True)
    )
    return (
        f"{dtd}<AnnotatedECG{namespace}><component><series><code code='RHYTHM'/><component>"
        "<sequenceSet><component><sequence><code code='TIME_ABSOLUTE'/><value>"
        f"<increment value='{step}' unit='s'/></value></sequence></component>{leads}"
        "</sequenceSet></component></series></component></AnnotatedECG>"
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"dtd": BOMB, "digits": "&b;"}, "E-ECG-025"),
        ({"dtd": EXTERNAL, "digits": "&a;"}, "E-ECG-025"),
        ({"namespace": ""}, "E-ECG-025"),
        ({"digits": "1 2 Canary 3"}, "E-ECG-025"),
        ({"step": "0"}, "E-ECG-012"),
        ({"step": "later"}, "E-ECG-009"),
        ({"scale": "0"}, "E-ECG-009"),
    ],
)
def test_hostile_or_damaged_annotated_ecg_is_refused(tmp_path, arguments, code):
    path = tmp_path / "a.xml"
    path.write_text(aecg(**arguments))
    error = refused(path)
    assert error.code == code
    assert "Canary" not in str(error)


def test_annotated_ecg_gives_exact_millivolts(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(aecg())
    np.testing.assert_allclose(read(path).data, STORED * 2.5e-3, atol=1e-6)
    path.write_text(aecg()[:-200])
    assert refused(path).code == "E-ECG-025"


def test_other_xml_is_refused(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<html><body/></html>")
    assert refused(path).code == "E-ECG-100"


def muse(*, step="5", count="200", crc=None, cut=0) -> str:
    leads = ""
    for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"):
        data = STORED[LEADS.index(lead)].astype("<i2").tobytes()
        text = base64.b64encode(data[: len(data) - cut]).decode()
        leads += (
            f"<LeadData><LeadSampleCountTotal>{count}</LeadSampleCountTotal>"
            f"<LeadAmplitudeUnitsPerBit>{step}</LeadAmplitudeUnitsPerBit>"
            f"<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadID>{lead}</LeadID>"
            f"<LeadDataCRC32>{zlib.crc32(data) if crc is None else crc}</LeadDataCRC32>"
            f"<WaveFormData>{text}</WaveFormData></LeadData>"
        )
    return (
        '<!DOCTYPE RestingECG SYSTEM "restecg.dtd"><RestingECG><Waveform><WaveformType>Rhythm'
        f"</WaveformType><SampleBase>{RATE_HZ}</SampleBase><SampleExponent>0</SampleExponent>"
        f"{leads}</Waveform></RestingECG>"
    )


def test_muse_gives_exact_millivolts_and_derives_four_leads(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(muse())
    sample = read(path)
    assert sample.flags == ("F-ECG-013 derived-leads",)
    np.testing.assert_allclose(sample.data[6:], STORED[6:] * 5e-3, atol=1e-6)
    np.testing.assert_allclose(sample.data[3], -(STORED[0] + STORED[1]) * 2.5e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [({"step": "0"}, "E-ECG-009"), ({"count": "5000"}, "E-ECG-006"), ({"cut": 1}, "E-ECG-006")],
)
def test_damaged_muse_is_refused(tmp_path, arguments, code):
    path = tmp_path / "a.xml"
    path.write_text(muse(**arguments))
    assert refused(path).code == code


def test_wrong_muse_checksum_is_flagged_and_refused_when_strict(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(muse(crc=1))
    assert "F-ECG-008 checksum" in read(path).flags
    assert refused(path, OPTIONS.model_copy(update={"strict": True})).code == "E-ECG-008"


def test_plain_sierra_gives_exact_millivolts_and_compressed_is_refused(tmp_path):
    text = base64.b64encode(STORED.astype("<i2").tobytes()).decode()
    document = (
        "<restingecgdata><samplingrate>100</samplingrate><signalresolution>5</signalresolution>"
        '<parsedwaveforms compressflag="{}">{}</parsedwaveforms></restingecgdata>'
    )
    path = tmp_path / "a.xml"
    path.write_text(document.format("False", text))
    np.testing.assert_allclose(read(path).data, STORED * 5e-3, atol=1e-6)
    path.write_text(document.format("True", text))
    assert refused(path).code == "E-ECG-102"
    path.write_text(document.format("False", text[:-8]))
    assert refused(path).code == "E-ECG-006"


def write_edf(path: Path, *, rates=(RATE_HZ,) * 12, unit="mV") -> Path:
    import pyedflib

    with pyedflib.EdfWriter(str(path), 12, file_type=pyedflib.FILETYPE_EDF) as writer:
        for index, lead in enumerate(LEADS):
            writer.setSignalHeader(
                index,
                {
                    "label": f"ECG {lead}", "dimension": unit, "sample_frequency": rates[index],
                    "physical_min": -32.768, "physical_max": 32.767, "digital_min": -32768,
                    "digital_max": 32767, "transducer": "", "prefilter": "",
                },
            )  # fmt: skip
        signals = [
            np.interp(np.arange(2 * rate) / rate, np.arange(200) / RATE_HZ, row / 1000)
            for rate, row in zip(rates, STORED, strict=True)
        ]
        writer.writeSamples(signals)
    return path


def test_edf_gives_millivolts_whatever_the_unit(tmp_path):
    path = write_edf(tmp_path / "a.edf")
    np.testing.assert_allclose(read(path).data, STORED * 1e-3, atol=1.1e-3)
    microvolts = read(write_edf(tmp_path / "b.edf", unit="uV"))
    np.testing.assert_allclose(microvolts.data, STORED * 1e-6, atol=1e-5)


def test_signals_of_several_rates_are_brought_to_one(tmp_path):
    rates = (100, 200, 400) * 4
    sample = read(write_edf(tmp_path / "a.edf", rates=rates))
    assert sample.data.shape == (12, 200)
    np.testing.assert_allclose(sample.data[:, 20:-20], STORED[:, 20:-20] * 1e-3, atol=5e-3)


def test_edf_whose_header_lies_is_refused_before_reading(tmp_path):
    path = write_edf(tmp_path / "a.edf")
    data = path.read_bytes()
    path.write_bytes(data[:236] + b"99999999" + data[244:])
    assert refused(path).code == "E-ECG-007"
    path.write_bytes(data[:-100])
    with pytest.raises(BadInput, match="E-ECG-006"):
        peek_ecg(Source(path.name, path.parent), OPTIONS)
    path.write_bytes(data[:252] + b"many" + data[256:])
    assert refused(path).code == "E-ECG-103"


def csv_text(*, header=True, separator=",", comma=False, note="# rate 100 Hz\n") -> str:
    rows = [separator.join(LEADS)] if header else []
    for row in STORED.T / 1000:
        cells = [f"{value:.3f}".replace(".", "," if comma else ".") for value in row]
        rows.append(separator.join(cells))
    return note + "\n".join(rows) + "\n"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_with_names_and_rate_gives_millivolts(tmp_path, separator):
    path = tmp_path / "a.csv"
    path.write_text(csv_text(separator=separator))
    sample = read(path)
    assert "F-ECG-010 unit-assumed" in sample.flags
    np.testing.assert_allclose(sample.data, STORED / 1000, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (csv_text(separator=";", comma=True), "E-ECG-026"),
        (csv_text(comma=True), "E-ECG-026"),
        (csv_text(note=""), "E-ECG-012"),
        (csv_text(header=False), "E-ECG-013"),
        (csv_text().replace("0.000", "Canary", 1), "E-ECG-026"),
    ],
)
def test_csv_that_leaves_room_for_doubt_is_refused(tmp_path, text, code):
    path = tmp_path / "a.csv"
    path.write_text(text)
    error = refused(path)
    assert error.code == code
    assert "Canary" not in str(error)


def test_npy_needs_names_and_rate(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, STORED / 1000)
    assert refused(path).code == "E-ECG-104"
    named = OPTIONS.model_copy(update={"table_leads": LEADS})
    assert refused(path, named).code == "E-ECG-012"
    full = named.model_copy(update={"table_rate_hz": 100.0, "table_unit": "mV"})
    sample = read(path, full)
    assert "F-ECG-010 unit-assumed" not in sample.flags
    np.testing.assert_allclose(sample.data, STORED / 1000, atol=1e-6)
    np.save(path, (STORED / 1000).T)
    np.testing.assert_allclose(read(path, full).data, STORED / 1000, atol=1e-6)


def test_npy_of_objects_or_with_missing_bytes_is_refused(tmp_path):
    options = OPTIONS.model_copy(update={"table_leads": LEADS, "table_rate_hz": 100.0})
    path = tmp_path / "a.npy"
    np.save(path, np.array([[{}]], dtype=object), allow_pickle=True)
    assert refused(path, options).code == "E-ECG-104"
    np.save(path, STORED)
    path.write_bytes(path.read_bytes()[:-100])
    assert refused(path, options).code == "E-ECG-006"
    path.write_bytes(path.read_bytes()[:20])
    assert refused(path, options).code == "E-ECG-104"


def test_mutated_files_are_read_or_refused_and_nothing_else(tmp_path):
    seeds = {
        "a.dcm": write_dicom(tmp_path / "a.dcm").read_bytes(),
        "a.edf": write_edf(tmp_path / "a.edf").read_bytes(),
        "a.xml": aecg().encode(),
        "m.xml": muse().encode(),
        "a.csv": csv_text().encode(),
    }
    done = {"read": 0, "refused": 0}
    for name, clean in seeds.items():
        for turn in range(40):
            rng = keyed_rng("mutate", name, turn)
            data = bytearray(clean)
            for place in rng.integers(0, min(len(data), 3000), int(rng.integers(1, 6))):
                data[place] = int(rng.integers(256))
            path = tmp_path / "x"
            keep = len(data) if rng.random() < 0.7 else int(rng.integers(1, len(data)))
            path.write_bytes(data[:keep])
            try:
                sample = read(path)
            except BadInput:
                done["refused"] += 1
            else:
                assert np.isfinite(sample.data).all()
                done["read"] += 1
    assert done["read"] >= 10
    assert done["refused"] >= 20
