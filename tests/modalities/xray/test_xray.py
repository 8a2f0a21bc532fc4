"""The X-ray modality: contracts, views, masks, fakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from modalities.xray import XRAY, XrayOptions
from modalities.xray.options import PRESETS
from modalities.xray.prepare import prepare
from workbench.errors import Failure
from workbench.modality import Sample, Source
from workbench.seeding import keyed_rng

SMALL = XrayOptions(normalise="unit", size=64, resize="letterbox")


def test_import_brings_no_heavy_library() -> None:
    code = (
        "import sys, modalities.xray; "
        "print([m for m in ('torch','transformers','matplotlib','pandas','sklearn','scipy') "
        "if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "wrong",
    [{"percentiles": (90, 10)}, {"normalise": "clip", "channels": 1}, {"size": 3}, {"sise": 64}],
)
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        XrayOptions.model_validate(wrong)


def test_a_batch_of_two_shapes_is_refused() -> None:
    samples = [Sample(np.zeros((1, side, side), np.float32)) for side in (16, 32)]
    with pytest.raises(Failure, match="shapes"):
        XRAY.collate(samples, SMALL)


@pytest.mark.parametrize(
    ("name", "black", "white", "shape"),
    [
        ("xrv", -1024.0, 1024.0, (1, 224, 224)),
        ("chexzero", -101.488 / 83.439, (255 - 101.488) / 83.439, (3, 320, 320)),
        ("medclip", -0.5863 / 0.2795, (1 - 0.5863) / 0.2795, (3, 224, 224)),
        ("clip", -0.4815 / 0.2686, (1 - 0.4815) / 0.2686, (3, 224, 224)),
        ("unit", 0.0, 1.0, (1, 224, 224)),
        ("more", -0.499 / 0.293, (1 - 0.499) / 0.293, (3, 224, 224)),
    ],
)
def test_published_contracts_by_hand(
    name: str, black: float, white: float, shape: tuple[int, ...]
) -> None:
    grey = np.repeat(np.linspace(0, 1, 320, dtype=np.float32)[None], 320, axis=0)
    data, _ = prepare(grey, PRESETS[name])
    assert data.shape == shape
    assert data.dtype == np.float32
    # a resized ramp stops short of black and white by half a pixel
    assert data[0].min() == pytest.approx(black, abs=0.01 * (white - black))
    assert data[0].max() == pytest.approx(white, abs=0.01 * (white - black))


def test_letterbox_keeps_the_aspect_and_marks_padding() -> None:
    data, valid = prepare(np.ones((20, 40), np.float32), SMALL.preset)
    assert valid is not None
    assert valid[0, 16:48].all()
    assert not valid[0, :16].any()
    assert not valid[0, 48:].any()
    assert data[0][~valid[0]].max() == 0


def test_crop_takes_the_middle() -> None:
    wide = np.zeros((20, 40), np.float32)
    wide[:, 10:30] = 1
    preset = XrayOptions(normalise="unit", size=20, resize="crop").preset
    assert prepare(wide, preset)[0].min() == 1


def test_the_contract_names_what_changes_numbers() -> None:
    first, second = (XRAY.contract(XrayOptions(normalise=n)) for n in ("more", "xrv"))
    assert first["clahe"]
    assert {key for key in first if first[key] != second[key]} == {
        "resize", "normalise", "mean", "std", "channels", "clahe",
    }  # fmt: skip


@pytest.mark.parametrize("finding", [finding.name for finding in XRAY.findings])
def test_same_seed_same_bytes_and_it_reads_back(tmp_path: Path, finding: str) -> None:
    (tmp_path / "again").mkdir()
    name = XRAY.synthesize(finding, keyed_rng(1, finding), tmp_path)
    again = XRAY.synthesize(finding, keyed_rng(1, finding), tmp_path / "again")
    assert name == again
    assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    sample = XRAY.read(Source(name, tmp_path), XrayOptions())
    assert sample.data.shape == (3, 224, 224)
    XRAY.peek(Source(name, tmp_path), XrayOptions())


def test_an_unknown_finding_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        XRAY.synthesize("hiccups", keyed_rng(1), tmp_path)


def test_findings_have_enough_words() -> None:
    for finding in XRAY.findings:
        assert len(set(finding.statements)) >= 6
        assert len(set(finding.denials)) >= 3


def test_views_never_mirror_and_keep_their_range() -> None:
    picture = np.zeros((1, 64, 64), np.float32)
    picture[:, 20:44, 40:56] = 1.0
    for seed in range(30):
        view = XRAY.augment(Sample(picture), keyed_rng(seed), SMALL).data
        assert view[..., 32:].sum() > 5 * view[..., :24].sum() or view.min() > 0
        assert view.shape == picture.shape
        assert 0 <= view.min() <= view.max() <= 1
        bright = np.argwhere(view[0] > view[0].mean())[:, 1]
        assert bright.mean() > 32


def test_the_same_key_gives_the_same_view() -> None:
    sample = Sample(np.linspace(0, 1, 4096, dtype=np.float32).reshape(1, 64, 64))
    first, second = (XRAY.augment(sample, keyed_rng(3), SMALL).data for _ in range(2))
    assert np.array_equal(first, second)


def test_masking_hides_the_share_asked_for_and_never_padding() -> None:
    import torch

    data, valid = prepare(np.ones((32, 64), np.float32), SMALL.preset)
    batch = XRAY.collate([Sample(data, valid)] * 4, SMALL)
    masked = XRAY.mask(batch, keyed_rng(1), SMALL, ratio=0.5)
    assert batch.valid is not None
    assert not (masked.hidden & ~batch.valid).any()
    plain = XRAY.collate([Sample(np.random.default_rng(0).random((1, 64, 64), np.float32))], SMALL)
    hidden = XRAY.mask(plain, keyed_rng(1), SMALL, ratio=0.5)
    assert hidden.hidden.float().mean() == 0.5
    assert torch.equal(hidden.target, plain.values)
    assert torch.equal(hidden.batch.values[~hidden.hidden], plain.values[~hidden.hidden])
    assert len(hidden.batch.values[hidden.hidden].unique()) == 1


def test_preview_is_a_small_figure() -> None:
    figure = XRAY.preview(Sample(np.zeros((1, 16, 16), np.float32)))
    assert len(figure.axes) == 1
