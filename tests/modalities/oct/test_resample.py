from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch.nn import functional

from modalities.oct.resample import resize, triangle_weights


@pytest.mark.parametrize("old_new", [(7, 3), (3, 7), (61, 60), (496, 256), (5, 5), (1, 4)])
def test_rows_of_weights_sum_to_one(old_new: tuple[int, int]) -> None:
    weights = triangle_weights(*old_new)
    assert weights.shape == old_new[::-1]
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize("shape", [(24, 32), (70, 33), (49, 120)])
def test_two_dimensions_equal_torch_with_antialias(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random((3, 49, 64), dtype=np.float32)
    ours = resize(image, (3, *shape))
    theirs = functional.interpolate(
        torch.from_numpy(image)[None], size=shape, mode="bilinear", antialias=True
    )
    np.testing.assert_allclose(ours, theirs[0].numpy(), atol=1e-5)


def test_growing_equals_trilinear_torch_and_scipy() -> None:
    volume = np.random.default_rng(1).random((4, 5, 6), dtype=np.float32)
    ours = resize(volume, (9, 10, 13))
    theirs = functional.interpolate(
        torch.from_numpy(volume)[None, None], size=(9, 10, 13), mode="trilinear"
    )
    np.testing.assert_allclose(ours, theirs[0, 0].numpy(), atol=1e-5)
    zoomed = scipy.ndimage.zoom(volume, (9 / 4, 2, 13 / 6), order=1, grid_mode=True, mode="nearest")
    np.testing.assert_allclose(ours, zoomed, atol=1e-5)


def test_three_axes_shrink_as_the_matrices_multiplied_out() -> None:
    volume = np.random.default_rng(2).random((13, 40, 37), dtype=np.float32)
    a, b, c = (triangle_weights(o, n) for o, n in ((13, 5), (40, 16), (37, 12)))
    expected = np.einsum("ai,bj,ck,ijk->abc", a, b, c, volume)
    np.testing.assert_allclose(resize(volume, (5, 16, 12)), expected, atol=1e-5)


def test_constants_and_integers_survive() -> None:
    volume = np.full((7, 9, 11), 200, dtype=np.uint8)
    np.testing.assert_allclose(resize(volume, (3, 4, 50)), 200.0, atol=1e-4)


def test_a_thin_bright_line_is_not_lost() -> None:
    volume = np.zeros((1, 64, 8), dtype=np.float32)
    volume[0, 33] = 1.0
    shrunk = resize(volume, (1, 8, 8))
    assert shrunk.sum() == pytest.approx(volume.sum() / 8, rel=0.05)
