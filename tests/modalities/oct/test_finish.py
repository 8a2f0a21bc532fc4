from __future__ import annotations

import numpy as np
import pytest

from modalities.oct.finish import finish, to_right_eye
from modalities.oct.options import OctOptions
from modalities.oct.volume import Volume, usable_spacing
from workbench.errors import BadInput

RESAMPLE = OctOptions(size=(4, 16, 16))
CROP = OctOptions(size=(4, 16, 16), fit="crop")


def ramp(count: int) -> np.ndarray:
    """B-scans whose every pixel is their number."""
    return np.repeat(np.arange(count, dtype=np.uint8), 16 * 16).reshape(count, 16, 16)


def test_a_display_picture_cannot_become_linear(frames) -> None:
    with pytest.raises(BadInput, match="E-OCT-012"):
        finish(Volume(frames), "a", OctOptions(size=(4, 16, 16), intensity="linear"))


def test_mirroring_needs_an_eye_and_happens_once(frames) -> None:
    options = OctOptions(size=(4, 16, 16), laterality="right")
    with pytest.raises(BadInput, match="E-OCT-009"):
        finish(Volume(frames), "a", options)
    left = finish(Volume(frames, laterality="L"), "a", options)
    plain = finish(Volume(frames, laterality="L"), "a", RESAMPLE)
    np.testing.assert_array_equal(left.data, plain.data[..., ::-1])
    right = finish(Volume(frames, laterality="R"), "a", options)
    np.testing.assert_array_equal(right.data, plain.data)
    assert left.meta["mirrored"]
    with pytest.raises(BadInput, match="mirrored before"):
        to_right_eye(left, "a")


@pytest.mark.parametrize(
    ("name", "flagged"),
    [("p1_OS.vol", True), ("p1-left-eye.vol", True), ("p1_OD.vol", False), ("position.vol", False)],
)
def test_a_file_name_that_contradicts_the_header_is_flagged(frames, name: str, flagged: bool):
    sample = finish(Volume(frames, laterality="R"), name, RESAMPLE)
    assert ("F-OCT-008 laterality-conflict" in sample.flags) is flagged


def test_crop_takes_the_middle_and_pads_with_frames_that_are_not_valid() -> None:
    many = finish(Volume(ramp(10)), "a", CROP)
    np.testing.assert_allclose(many.data[0, :, 0, 0] * 255, [3, 4, 5, 6], atol=1e-4)
    assert many.valid is None
    few = finish(Volume(ramp(3)), "a", CROP)
    np.testing.assert_allclose(few.data[0, :, 0, 0] * 255, [0, 1, 2, 2], atol=1e-4)
    assert few.valid.ravel().tolist() == [True, True, True, False]


@pytest.mark.parametrize("count", [19, 25, 49, 61, 97, 128])
def test_every_count_of_bscans_in_a_cohort_reaches_the_shape_and_is_recorded(count: int) -> None:
    sample = finish(Volume(ramp(count), spacing_mm=(0.1, 0.01, 0.01)), "a", RESAMPLE)
    assert sample.data.shape == (1, 4, 16, 16)
    assert sample.meta["source_frames"] == count
    assert sample.meta["spacing_mm"][0] == pytest.approx(0.1 * count / 4)
    assert (np.diff(sample.data[0, :, 0, 0]) > 0).all()


def test_black_and_saturated_bscans_are_flagged(frames) -> None:
    frames[2] = 0
    frames[4] = 255
    flags = finish(Volume(frames), "a", RESAMPLE).flags
    assert {"F-OCT-013 black-bscan", "F-OCT-013 saturated-bscan"} <= set(flags)


def test_spacing_of_a_lone_bscan_says_nothing_of_the_slow_axis() -> None:
    assert usable_spacing((0.0, 0.004, 0.011), lone=True) == (None, 0.004, 0.011)
    assert usable_spacing((0.1, None, 0.011)) is None
    assert usable_spacing((0.1, "x", 0.011)) is None
    sample = finish(Volume(ramp(1), spacing_mm=(None, 0.004, 0.01)), "a", RESAMPLE)
    assert sample.meta["spacing_mm"] == (None, 0.004, 0.01)
