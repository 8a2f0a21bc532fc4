from __future__ import annotations

import numpy as np
import pytest
import torch

from modalities.oct.cubes import CUBE, cut, hide, pad_to, token_valid
from workbench.modality import Batch


def test_cut_takes_cubes_in_order_of_frames_depth_width() -> None:
    values = torch.arange(2 * 6 * 32 * 48.0).reshape(2, 1, 6, 32, 48)
    cubes = cut(values, CUBE)
    assert cubes.shape == (2, 2 * 2 * 3, 768)
    token = (1 * 2 + 0) * 3 + 2
    torch.testing.assert_close(cubes[1, token], values[1, 0, 3:6, 0:16, 32:48].reshape(-1))


def test_padding_repeats_the_last_bscan() -> None:
    values = torch.rand(1, 1, 4, 16, 20)
    padded = pad_to(values, CUBE)
    assert padded.shape == (1, 1, 6, 16, 32)
    torch.testing.assert_close(padded[:, :, 5, :, :20], values[:, :, 3])
    assert not padded[..., 20:].any()


@pytest.mark.parametrize("ratio", [0.25, 0.6, 0.9])
def test_hidden_cubes_are_whole_and_as_many_as_asked(ratio: float) -> None:
    batch = Batch(torch.rand(3, 1, 6, 64, 32) + 0.1)
    masked = hide(batch, np.random.default_rng(0), ratio)
    cubes = cut(masked.hidden, CUBE)
    assert (cubes.all(-1) == cubes.any(-1)).all()
    assert (cubes.all(-1).sum(1) == round(ratio * 16)).all()
    assert (masked.batch.values[masked.hidden] == 0).all()
    torch.testing.assert_close(masked.batch.values[~masked.hidden], batch.values[~masked.hidden])
    torch.testing.assert_close(masked.target, batch.values)


def test_padding_is_never_counted_as_hidden_and_marks_its_tokens() -> None:
    valid = torch.ones(1, 1, 6, 1, 1, dtype=torch.bool)
    valid[:, :, 3:] = False
    batch = Batch(torch.rand(1, 1, 6, 32, 32), valid)
    masked = hide(batch, np.random.default_rng(0), 0.9)
    assert not masked.hidden[:, :, 3:].any()
    assert token_valid(batch, CUBE).tolist() == [[True] * 4 + [False] * 4]
