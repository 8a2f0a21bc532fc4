"""Every real ECG file of the sample data opens as documented, or is refused with the documented code."""

from __future__ import annotations

import numpy as np
import pytest

from modalities.ecg import ECG
from modalities.ecg.leads import LEADS
from modalities.ecg.options import ECGOptions
from modalities.ecg.read import read_ecg
from workbench.errors import BadInput
from workbench.modality import Source

OPTIONS = ECGOptions()
CONTEC = ECGOptions(table_rate_hz=800, table_leads=LEADS, seconds=40)


def test_the_400_ptbxl_records_obey_einthoven_and_goldberger(sample_data):
    headers = sorted(sample_data("ecg/ptbxl-biolabsel/records100").glob("*/*.hea"))
    assert len(headers) == 400
    flagged = 0
    for header in headers:
        sample = read_ecg(Source(str(header)), OPTIONS)
        one, two, three, right, left, foot = sample.data[:6].astype(np.float64)
        assert sample.data.shape == (12, 1000)
        assert np.abs(one + three - two).mean() < 0.002
        assert np.abs(right + (one + two) / 2).mean() < 0.002
        assert np.abs(right + left + foot).mean() < 0.003
        assert sample.valid is None
        flagged += bool(sample.flags)
    assert flagged <= 4


def test_100_hz_and_500_hz_records_agree(sample_data):
    high = sorted(sample_data("ecg/ptbxl-biolabsel/records500").glob("*/*.hea"))
    assert len(high) == 40
    for header in high:
        low = str(header).replace("records500", "records100").replace("_hr", "_lr")
        fast = read_ecg(Source(str(header)), OPTIONS)
        slow = read_ecg(Source(low), OPTIONS)
        inner = slice(20, 980)  # the publishers' filter treats the ends in another way
        for ours, theirs in zip(fast.data[:, inner], slow.data[:, inner], strict=True):
            assert np.corrcoef(ours, theirs)[0, 1] > 0.98
        assert np.abs(fast.data[:, inner] - slow.data[:, inner]).mean() < 0.02


def test_classic_records_are_matched_by_name(sample_data):
    folder = sample_data("ecg/wfdb-python")
    holter = read_ecg(Source(str(folder / "100")), OPTIONS)
    assert holter.meta["source_rate_hz"] == 360
    assert {"F-ECG-014 modified-lead", "F-ECG-010 unit-assumed"} <= set(holter.flags)
    ptb = read_ecg(Source(str(folder / "s0010_re.hea")), OPTIONS)
    assert ptb.valid is None
    assert "F-ECG-014 extra-leads" in ptb.flags
    alarm = read_ecg(Source(str(folder / "a103l.hea")), OPTIONS)
    assert set(LEADS) - set(alarm.meta["missing_leads"]) == {"II"}


def test_dicom_waveform_is_in_millivolts(sample_data):
    path = sample_data("ecg/pydicom/waveform_ecg.dcm")
    import pydicom

    group = pydicom.dcmread(path).WaveformSequence[0]
    raw = np.frombuffer(group.WaveformData, "<i2").reshape(10000, 12).T
    sample = read_ecg(Source(str(path)), ECGOptions(rate_hz=1000))
    assert sample.flags == ()
    np.testing.assert_allclose(sample.data, raw * 1.25e-3, rtol=0, atol=1e-6)


def test_annotated_ecg_is_in_millivolts(sample_data):
    for name in ("subject1_0", "subject1_1", "subject1_2"):
        path = sample_data(f"ecg/aecg-fda/{name}.xml")
        sample = read_ecg(Source(str(path)), ECGOptions(rate_hz=500))
        assert sample.flags == ("F-ECG-014 lead-order",)
        np.testing.assert_allclose(
            sample.data[0, :7], np.array([-2, -2, -2, -2, -3, -4, -3]) * 2.5e-3
        )


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("empty", "E-ECG-025"),
        ("minimum_aecg", "E-ECG-012"),
        ("minimum_aecg_effectiveTime_high", "E-ECG-012"),
        ("minimum_aecg_effectiveTime_interval", "E-ECG-012"),
        ("minimum_aecg_effectiveTime_low", "E-ECG-012"),
        ("minimum_aecg_nouuid", "E-ECG-012"),
    ],
)
def test_annotated_ecgs_without_a_heartbeat_are_refused(sample_data, name, code):
    path = sample_data(f"ecg/aecg-fda/{name}.xml")
    with pytest.raises(BadInput) as caught:
        read_ecg(Source(str(path)), OPTIONS)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["example1", "example2"])
def test_muse_stores_eight_leads_and_the_rest_is_derived(sample_data, name):
    sample = read_ecg(Source(str(sample_data(f"ecg/ge-muse-braveheart/{name}.xml"))), OPTIONS)
    assert sample.flags == ("F-ECG-013 derived-leads",)
    assert sample.meta["derived_leads"] == ("III", "aVR", "aVL", "aVF")
    np.testing.assert_allclose(sample.data[1], sample.data[0] + sample.data[2], atol=1e-5)


@pytest.mark.parametrize("name", ["129DYPRG.XML", "3191723_ZZDEMOPTONLY_1-04_orig.xml"])
def test_compressed_sierra_is_refused_clearly(sample_data, name):
    with pytest.raises(BadInput, match=r"E-ECG-102 .*XLI"):
        read_ecg(Source(str(sample_data(f"ecg/philips-sierra/{name}"))), OPTIONS)


@pytest.mark.parametrize(
    "name",
    [
        "scp-ecg/ECG_20170504_163507_ANON000009.SCP",
        "scp-ecg/ECG_20081029_105642_ANON000010.SCP",
        "scp-ecg/Example.scp",
        "edf-contec/0000050.ECG.scp",
    ],
)
def test_scp_is_refused_clearly(sample_data, name):
    with pytest.raises(BadInput, match=r"E-ECG-026 .*SCP-ECG"):
        read_ecg(Source(str(sample_data(f"ecg/{name}"))), OPTIONS)


def test_edf_and_csv_of_one_recording_agree(sample_data):
    edf = read_ecg(Source(str(sample_data("ecg/edf-contec/0000050.ECG.edf"))), CONTEC)
    table = sample_data("ecg/edf-contec/0000050.ECG.csv")
    step_uv = CONTEC.model_copy(update={"table_unit": "uV"})
    csv = read_ecg(Source(str(table)), step_uv)
    # the CSV holds converter steps, 2000 mV / 65535 by the EDF header, whose range is half a step off centre
    step_mv = 2000 / 65535
    np.testing.assert_allclose(edf.data[:6], csv.data[:6] * 1000 * step_mv + step_mv / 2, atol=2e-4)
    assert edf.meta["missing_leads"] == csv.meta["missing_leads"] == LEADS[6:]
    assert "F-ECG-018 flat" in edf.flags


def test_csv_without_names_or_rate_is_refused(sample_data):
    table = Source(str(sample_data("ecg/edf-contec/0000050.ECG.csv")))
    with pytest.raises(BadInput, match="E-ECG-013"):
        read_ecg(table, OPTIONS)
    with pytest.raises(BadInput, match="E-ECG-012"):
        read_ecg(table, ECGOptions(table_leads=LEADS))


def test_whatever_is_no_ecg_is_refused(sample_data):
    for name in ("wfdb-python/100.dat", "wfdb-python/100.atr", "wfdb-python/a103l.mat",
                 "wfdb-python/s0010_re.xyz", "ptbxl-biolabsel/LICENSE.txt", "aecg-fda"):  # fmt: skip
        with pytest.raises(BadInput, match="E-ECG-100"):
            ECG.read(Source(str(sample_data(f"ecg/{name}"))), OPTIONS)
    for name in ("ptbxl_database", "scp_statements", "text_only_reports"):
        with pytest.raises(BadInput, match="E-ECG-026"):
            ECG.read(Source(str(sample_data(f"ecg/ptbxl-biolabsel/{name}.csv"))), OPTIONS)


def test_peek_agrees_with_read_on_real_headers(sample_data):
    for header in sorted(sample_data("ecg/wfdb-python").glob("*.hea")):
        ECG.peek(Source(str(header)), OPTIONS)
    ECG.peek(Source(str(sample_data("ecg/edf-contec/0000050.ECG.edf"))), OPTIONS)
    with pytest.raises(BadInput, match="E-ECG-026"):
        ECG.peek(Source(str(sample_data("ecg/scp-ecg/Example.scp"))), OPTIONS)
