"""The ECG modality as the registry sees it: options, presets, contract, views, masks, synthesis."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from modalities.ecg import ECG
from modalities.ecg.leads import LEADS
from modalities.ecg.options import PRESETS, ECGOptions
from workbench.errors import BadInput
from workbench.modality import Source
from workbench.seeding import keyed_rng

OPTIONS = ECGOptions()


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ecg")
    cells = [ECG.synthesize(f.name, keyed_rng(i), folder) for i, f in enumerate(ECG.findings)]
    return [ECG.read(Source(cell, folder), OPTIONS) for cell in cells]


def test_importing_the_modality_imports_no_heavy_library():
    code = (
        "import sys, modalities.ecg; heavy = {'torch','transformers','peft','monai','sklearn',"
        "'pandas','matplotlib','pydicom','wfdb'}; print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "wrong", [{"rate": 100}, {"rate_hz": 0}, {"preset": "mor"}, {"seconds": -1}]
)
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValidationError):
        ECGOptions(**wrong)


def test_presets_are_the_published_contracts_and_yield_to_what_is_written():
    assert ECGOptions(preset="more").length == 1000
    assert ECGOptions(preset="merl").length == 5000
    assert ECGOptions(preset="ecgfm").length == 2500
    assert ECGOptions(preset="merl", rate_hz=250).length == 2500
    assert set(PRESETS) == {"mv", "more", "merl", "ecgfm", "ptbxl-bench"}


def test_a_missing_record_is_refused(tmp_path):
    with pytest.raises(BadInput, match="E-MAN-007"):
        ECG.read(Source("absent", tmp_path), OPTIONS)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_samples_obey_the_spec_under_every_preset(tmp_path, preset):
    options = ECGOptions(preset=preset)
    cell = ECG.synthesize("atrial fibrillation", keyed_rng(5), tmp_path)
    sample = ECG.read(Source(cell, tmp_path), options)
    assert sample.data.dtype == np.float32
    assert sample.data.shape == (12, options.length)
    assert ECG.spec.low <= sample.data.min() < sample.data.max() <= ECG.spec.high
    if preset == "more":
        assert (sample.data.min(), sample.data.max()) == (-1, pytest.approx(1))


def test_merl_order_has_avf_before_avl(tmp_path):
    cell = ECG.synthesize("sinus rhythm", keyed_rng(5), tmp_path)
    plain = ECG.read(Source(cell, tmp_path), OPTIONS).data
    merl = ECG.read(Source(cell, tmp_path), ECGOptions(lead_order="avf_before_avl")).data
    np.testing.assert_array_equal(merl[[4, 5]], plain[[5, 4]])
    assert ECG.contract(ECGOptions(preset="merl"))["leads"][3:6] == ["aVR", "aVF", "aVL"]


def test_contract_changes_with_everything_that_changes_the_array():
    base = ECG.contract(OPTIONS)
    assert base["leads"] == list(LEADS)
    for change in (
        {"rate_hz": 250}, {"seconds": 5}, {"baseline": "median"}, {"normalise": "record_zscore"},
        {"lead_order": "avf_before_avl"}, {"normalise": "global_zscore", "mean_mv": 0.1},
        {"start_s": 1.0},
    ):  # fmt: skip
        assert ECG.contract(ECGOptions(**change)) != base


def test_every_finding_has_sentences_and_makes_a_clean_record(samples):
    assert len(ECG.findings) == 5
    for finding, sample in zip(ECG.findings, samples, strict=True):
        assert len(set(finding.statements)) >= 6
        assert len(set(finding.denials)) >= 3
        assert sample.data.shape == (12, 1000)
        assert sample.valid is None


def test_synthesis_is_the_same_byte_for_byte(tmp_path):
    digests = []
    for turn in ("a", "b"):
        folder = tmp_path / turn
        folder.mkdir()
        cell = ECG.synthesize("left bundle branch block", keyed_rng(9), folder)
        files = sorted(folder.iterdir())
        assert cell in [file.name for file in files]
        digests.append([(f.name, hashlib.sha256(f.read_bytes()).hexdigest()) for f in files])
    assert digests[0] == digests[1]


def test_false_flags_on_synthetic_records_stay_rare(tmp_path):
    flagged = 0
    for number in range(60):
        finding = ECG.findings[number % 5].name
        cell = ECG.synthesize(finding, keyed_rng("clean", number), tmp_path)
        flagged += bool(ECG.read(Source(cell, tmp_path), OPTIONS).flags)
    assert flagged <= 1


def test_planted_findings_are_there(samples):
    def rr_spread(sample):
        lead = np.abs(np.diff(sample.data[1]))
        peaks = [
            i for i in range(5, 990)
            if lead[i] > 0.5 * np.quantile(lead, 0.995) and lead[i] == lead[max(0, i - 20) : i + 20].max()
        ]  # fmt: skip
        return np.std(np.diff(peaks)) / np.mean(np.diff(peaks))

    by_name = {f.name: s for f, s in zip(ECG.findings, samples, strict=True)}
    assert rr_spread(by_name["atrial fibrillation"]) > 2 * rr_spread(by_name["sinus rhythm"])
    block = by_name["left bundle branch block"].data
    centred = block - np.median(block, axis=1, keepdims=True)
    assert -centred[6].min() > centred[6].max()  # V1 points down
    assert centred[11].max() > -centred[11].min()  # V6 points up


def test_einthoven_holds_exactly_in_stored_values(tmp_path):
    cell = ECG.synthesize("ST elevation myocardial infarction", keyed_rng(1), tmp_path)
    stored = np.fromfile(tmp_path / cell.replace(".hea", ".dat"), "<i2").reshape(-1, 12).astype(int)
    np.testing.assert_array_equal(stored[:, 0] + stored[:, 2], stored[:, 1])


def test_views_keep_shape_and_polarity_and_mask_what_they_drop(samples):
    for number, sample in enumerate(samples * 4):
        view = ECG.augment(sample, keyed_rng("view", number), OPTIONS)
        assert view.data.shape == sample.data.shape
        assert view.data.dtype == np.float32
        assert (view.data[~view.valid] == 0).all()
        shifts = range(-100, 101)
        lead = int(np.flatnonzero(view.valid.any(axis=1))[0])
        best = max(
            np.corrcoef(np.roll(sample.data[lead], s), view.data[lead])[0, 1] for s in shifts
        )
        assert best > 0.8
    again = ECG.augment(samples[0], keyed_rng("view", 0), OPTIONS)
    first = ECG.augment(samples[0], keyed_rng("view", 0), OPTIONS)
    np.testing.assert_array_equal(again.data, first.data)


def test_mask_hides_the_share_asked_for_and_only_what_was_measured(samples):
    batch = ECG.collate(
        [ECG.augment(s, keyed_rng(i), OPTIONS) for i, s in enumerate(samples)] * 8, OPTIONS
    )
    masked = ECG.mask(batch, keyed_rng(1), OPTIONS, ratio=0.6)
    share = masked.hidden.sum() / batch.valid.sum()
    assert abs(float(share) - 0.6) < 0.05
    assert not (masked.hidden & ~batch.valid).any()
    assert (masked.batch.values[masked.hidden] == 0).all()
    assert torch.equal(masked.batch.values[~masked.hidden], batch.values[~masked.hidden])
    assert torch.equal(masked.target, batch.values)
    assert not ECG.mask(batch, keyed_rng(1), OPTIONS, ratio=0.0).hidden.any()


def test_preview_is_a_small_picture(samples):
    figure = ECG.preview(ECG.augment(samples[0], keyed_rng(3), OPTIONS))
    assert tuple(figure.get_size_inches()) == (3, 2)
    assert len(figure.axes[0].lines) == 12
