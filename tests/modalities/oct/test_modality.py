from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from modalities.oct import OCT, OctOptions
from modalities.oct.finish import finish
from modalities.oct.options import PRESETS
from modalities.oct.volume import Volume
from workbench.modality import Sample, Source

SMALL = OctOptions(size=(12, 64, 64))


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValidationError):
        OctOptions(frames=60)


def test_importing_and_reading_load_no_heavy_library() -> None:
    code = (
        "import sys, modalities.oct, modalities.oct.read, modalities.oct.synth;"
        "bad = {'torch', 'transformers', 'peft', 'monai', 'sklearn', 'pandas', 'matplotlib'};"
        "sys.exit(str(bad & set(sys.modules)) if bad & set(sys.modules) else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("preset", "shape"),
    [
        ("octcube", (60, 256, 256)), ("octcube-ir", (54, 256, 256)),
        ("octcube-8dis", (48, 256, 256)), ("duke14", (24, 256, 256)), ("ef", (60, 256, 384)),
        ("octcube-hires", (3, 512, 512)),
    ],
)  # fmt: skip
def test_presets_are_the_published_shapes(preset: str, shape: tuple[int, int, int]) -> None:
    options = OctOptions(preset=preset)
    assert options.shape == shape
    assert options.frame_fit == ("crop" if preset == "duke14" else "resample")
    assert set(PRESETS) >= {preset}


@pytest.mark.parametrize("finding", [f.name for f in OCT.findings])
def test_every_finding_is_written_read_and_shown(tmp_path: Path, finding: str) -> None:
    name = OCT.synthesize(finding, np.random.default_rng(0), tmp_path)
    sample = OCT.read(Source(name, tmp_path), SMALL)
    assert sample.flags == ()
    assert sample.data.shape == (1, 12, 64, 64)
    assert sample.data.dtype == np.float32
    assert sample.meta["spacing_mm"] == pytest.approx((0.12, 0.0155, 0.047))
    assert sample.meta["laterality"] in ("L", "R")
    assert OCT.preview(sample).axes


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        name = OCT.synthesize("drusen", np.random.default_rng(5), tmp_path / folder)
        written.append((name, (tmp_path / folder / name).read_bytes()))
    assert written[0] == written[1]
    with pytest.raises(KeyError):
        OCT.synthesize("broken arm", np.random.default_rng(0), tmp_path)


def test_findings_have_enough_varied_sentences() -> None:
    for finding in OCT.findings:
        assert len(set(finding.statements)) >= 6
        assert len(set(finding.denials)) >= 3


def test_norm25_moves_what_is_not_zero(frames) -> None:
    sample = finish(Volume(frames), "a", OctOptions(size=(6, 20, 24)))
    sample.data[0, 0] = 0
    batch = OCT.collate([sample], OctOptions(size=(6, 20, 24), scale="norm25"))
    expected = np.where(sample.data > 0, (sample.data - 0.25) / 0.25, 0)
    np.testing.assert_allclose(batch.values[0].numpy(), expected, atol=1e-5)


def test_masks_of_different_breadth_batch_together() -> None:
    data = np.zeros((1, 4, 8, 8), np.float32)
    masks = (None, np.ones((1, 4, 1, 1), bool), np.zeros((1, 4, 8, 8), bool))
    batch = OCT.collate([Sample(data, mask) for mask in masks], SMALL)
    assert batch.valid.shape == (3, 1, 4, 8, 8)
    assert [bool(row.all()) for row in batch.valid] == [True, True, False]


def test_views_stay_in_range_keep_the_eye_and_come_from_the_key(frames) -> None:
    ramp = np.broadcast_to(np.linspace(0.2, 0.8, 24, dtype=np.float32), (1, 6, 20, 24)).copy()
    sample = Sample(ramp, meta={"laterality": "R"})
    for seed in range(20):
        view = OCT.augment(sample, np.random.default_rng(seed), SMALL)
        again = OCT.augment(sample, np.random.default_rng(seed), SMALL)
        np.testing.assert_array_equal(view.data, again.data)
        assert 0 <= view.data.min() <= view.data.max() <= 1
        columns = view.data[0].mean(axis=(0, 1))
        assert columns[-4:].mean() > columns[:4].mean(), "the fast axis was mirrored"
        assert view.meta == sample.meta


def test_views_leave_padding_at_the_end() -> None:
    valid = np.array([True] * 3 + [False] * 3)[None, :, None, None]
    data = np.random.default_rng(0).random((1, 6, 20, 24), dtype=np.float32)
    for seed in range(10):
        view = OCT.augment(Sample(data, valid), np.random.default_rng(seed), SMALL)
        np.testing.assert_array_equal(view.valid, valid)


def test_contract_is_json_and_tells_every_change_of_input() -> None:
    base = OCT.contract(OctOptions())
    assert json.loads(json.dumps(base)) == base
    for change in (
        {"size": (12, 64, 64)}, {"fit": "crop"}, {"intensity": "linear"}, {"scale": "norm25"},
        {"laterality": "right"}, {"preset": "ef"}, {"spacing": "required"}, {"scans": "any"},
    ):  # fmt: skip
        assert OCT.contract(OctOptions(**change)) != base


def test_a_batch_of_fakes_goes_through_masking(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = [OCT.synthesize("macular hole", rng, tmp_path) for _ in range(2)]
    batch = OCT.collate([OCT.read(Source(n, tmp_path), SMALL) for n in names], SMALL)
    masked = OCT.mask(batch, rng, SMALL, ratio=0.6)
    assert masked.hidden.dtype == torch.bool
    assert masked.hidden.float().mean().item() == pytest.approx(38 / 64)
