"""Known answers of rescale, window, VOI LUT and inversion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from modalities.dicom_display import grayscale
from workbench.errors import BadInput

STORED = np.array([[[0, 100, 200, 300, 400]]], np.uint16)


def header(**elements: Any) -> Dataset:
    dataset = Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsStored, dataset.PixelRepresentation = 9, 0
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def shown(**elements: Any) -> tuple[list[float], tuple[str, ...]]:
    grey, flags = grayscale(header(**elements), STORED, "a")
    return [round(float(value), 4) for value in grey.ravel()], flags


@pytest.mark.parametrize(
    ("slope", "intercept"), [(0, 0), (None, 5), (2, None)], ids=["zero", "no slope", "no intercept"]
)
def test_half_a_rescale_is_refused(slope: float | None, intercept: float | None) -> None:
    given = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    with pytest.raises(BadInput, match="E-DCM-017"):
        shown(**{keyword: value for keyword, value in given.items() if value is not None})


@pytest.mark.parametrize(
    ("center", "width"),
    [("200", "0"), ("200", "-4"), ("NaN", "10"), ("200", "1e308"), ("1e300", "10")],
)
def test_a_senseless_window_falls_back_with_a_flag(center: str, width: str) -> None:
    values, flags = shown(WindowCenter=center, WindowWidth=width)
    assert flags == ("F-DCM-015 window-unusable", "F-DCM-014 percentile-window")
    assert values[0] == 0.0
    assert values[-1] == 1.0


def test_linear_window_by_hand() -> None:
    # PS3.3 C.11.2.1.2.1: (x - (c - 0.5)) / (w - 1) + 0.5 with c = 200.5, w = 401
    values, flags = shown(WindowCenter="200.5", WindowWidth="401")
    assert values == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert flags == ()


def test_linear_exact_and_sigmoid_by_hand() -> None:
    exact, _ = shown(WindowCenter="200", WindowWidth="200", VOILUTFunction="LINEAR_EXACT")
    assert exact == [0.0, 0.0, 0.5, 1.0, 1.0]
    curve, _ = shown(WindowCenter="200", WindowWidth="400", VOILUTFunction="SIGMOID")
    assert curve == [round(1 / (1 + np.exp(-4 * (x - 200) / 400)), 4) for x in range(0, 500, 100)]


def test_rescale_comes_before_the_window() -> None:
    values, _ = shown(
        RescaleSlope="2", RescaleIntercept="-100", WindowCenter="300.5", WindowWidth="801"
    )
    assert values == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_several_windows_use_the_first_with_a_flag() -> None:
    values, flags = shown(WindowCenter=["200.5", "1"], WindowWidth=["401", "2"])
    assert values == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert flags == ("F-DCM-015 first-of-several-windows",)


@pytest.mark.parametrize(
    ("photometric", "shape", "inverted", "flags"),
    [
        ("MONOCHROME2", None, False, ()),
        ("MONOCHROME2", "IDENTITY", False, ()),
        ("MONOCHROME1", None, True, ("F-DCM-012 monochrome1",)),
        ("MONOCHROME1", "INVERSE", True, ("F-DCM-012 monochrome1",)),
        ("MONOCHROME2", "INVERSE", True,
         ("F-DCM-013 inverse-shape", "F-DCM-013 shape-contradicts-photometric")),
    ],
)  # fmt: skip
def test_inverted_exactly_once(
    photometric: str, shape: str | None, inverted: bool, flags: tuple[str, ...]
) -> None:
    extra = {} if shape is None else {"PresentationLUTShape": shape}
    values, found = shown(
        PhotometricInterpretation=photometric, WindowCenter="200.5", WindowWidth="401", **extra
    )
    upright = [0.0, 0.25, 0.5, 0.75, 1.0]
    assert values == (upright[::-1] if inverted else upright)
    assert found == flags


def lut(descriptor: list[int], data: Any) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", descriptor)
    item.add_new("LUTData", "OW" if isinstance(data, bytes) else "US", data)
    return Sequence([item])


def test_voi_lut_by_hand() -> None:
    table = np.array([0, 255, 51], "<u2").tobytes()
    values, flags = shown(VOILUTSequence=lut([3, 99, 8], table))
    assert values == [0.0, 1.0, 0.2, 0.2, 0.2]
    assert flags == ()


@pytest.mark.parametrize(
    "sequence",
    [lut([3, 0, 8], b""), lut([3, 0, 8], b"\xff\xff" * 3), lut([9000, 0, 8], b"\1\0" * 4),
     lut([3, 0, 40], b"\1\0" * 3)],
    ids=["empty", "too bright", "too short", "40 bits"],
)  # fmt: skip
def test_an_unusable_voi_lut_falls_back_with_a_flag(sequence: Sequence) -> None:
    _, flags = shown(VOILUTSequence=sequence)
    assert flags == ("F-DCM-016 voi-lut-unusable", "F-DCM-014 percentile-window")


def test_a_window_that_blacks_everything_out_falls_back() -> None:
    values, flags = shown(WindowCenter="60000", WindowWidth="10")
    assert flags == ("F-DCM-015 window-saturates", "F-DCM-014 percentile-window")
    assert values[0] < values[-1]


def test_the_full_range_is_that_of_the_stored_bits() -> None:
    grey, flags = grayscale(header(), STORED, "a", fallback="full")
    assert np.allclose(grey.ravel(), STORED.ravel() / 511, atol=1e-6)
    assert flags == ("F-DCM-014 full-window",)


def test_per_frame_values_belong_to_their_frame() -> None:
    items = []
    for slope in ("1", "2"):
        rescale, group = Dataset(), Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept = slope, "0"
        group.PixelValueTransformationSequence = Sequence([rescale])
        items.append(group)
    dataset = header(WindowCenter="400.5", WindowWidth="801")
    dataset.PerFrameFunctionalGroupsSequence = Sequence(items)
    grey, _ = grayscale(dataset, np.concatenate([STORED, STORED]), "a")
    assert grey[0].ravel().tolist() == [0.0, 0.125, 0.25, 0.375, 0.5]
    assert grey[1].ravel().tolist() == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_padding_is_black_and_outside_the_percentiles() -> None:
    dataset = header(PixelPaddingValue=400, PhotometricInterpretation="MONOCHROME1")
    grey, flags = grayscale(dataset, STORED, "a", percentiles=(0, 100))
    assert grey.ravel()[-1] == 0.0
    assert np.allclose(grey.ravel()[:4], [1, 2 / 3, 1 / 3, 0], atol=1e-6)
    assert "F-DCM-100 pixel-padding" in flags
