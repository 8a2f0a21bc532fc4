"""Pictures and volumes: brightness and noise change little, another content much."""

from dataclasses import replace

import numpy as np
import pytest

from modalities.perceptual import correlation, pearson, perceptual
from workbench.fingerprint import NEAR_BITS
from workbench.modality import Sample

SHAPES = [((1, 48, 40), (32, 32)), ((1, 7, 30, 50), (8, 32, 32)), ((1, 1, 64, 64), (8, 32, 32))]


def scene(shape, seed):
    """A smooth random picture or volume, as anatomy is."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(seed).standard_normal(shape)
    width = (0, *(max(1, size / 8) for size in shape[1:]))
    return Sample(gaussian_filter(noise, width).astype(np.float32))


def apart(a, b, pooled):
    return (perceptual(a, pooled).code ^ perceptual(b, pooled).code).bit_count()


def test_a_flat_picture_correlates_with_nothing():
    flat, other = Sample(np.ones((1, 8, 8), np.float32)), scene((1, 8, 8), 0)
    assert correlation(flat, other) == 0
    assert pearson(np.zeros(0), np.zeros(0)) == 0


def test_pictures_of_another_shape_are_strangers():
    assert correlation(scene((1, 8, 8), 0), scene((1, 8, 9), 0)) == 0


@pytest.mark.parametrize(("shape", "pooled"), SHAPES)
def test_brightness_and_noise_leave_the_code_and_strangers_do_not(shape, pooled):
    picture = scene(shape, 1)
    noise = 0.1 * picture.data.std() * np.random.default_rng(2).standard_normal(shape)
    copy = replace(picture, data=(3 * picture.data + 5 + noise).astype(np.float32))
    assert apart(picture, copy, pooled) <= NEAR_BITS
    assert correlation(picture, copy) > 0.98
    assert min(apart(picture, scene(shape, seed), pooled) for seed in range(10, 30)) > NEAR_BITS


def test_what_was_not_measured_does_not_count():
    whole = scene((1, 16, 16), 3)
    valid = np.ones((1, 16, 16), bool)
    valid[:, :, 12:] = False
    spoilt = whole.data.copy()
    spoilt[:, :, 12:] = np.nan
    assert correlation(whole, Sample(spoilt, valid)) == pytest.approx(1)


def test_the_hand_computed_correlation():
    assert pearson(np.array([1.0, 2.0, 3.0]), np.array([2.0, 1.0, 3.0])) == pytest.approx(0.5)
