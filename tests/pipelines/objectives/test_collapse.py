"""Signs of collapse have their known values at both ends."""

import pytest
import torch

from pipelines.objectives.collapse import collapse_signs


def test_equal_vectors_have_no_spread():
    assert collapse_signs(torch.ones(9, 4))["spread"] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("width", [3, 12])
def test_vectors_along_one_line_have_rank_one(width):
    line = torch.zeros(6, width)
    line[:, 0] = torch.tensor([1.0, -1, 2, -3, 4, -5])
    signs = collapse_signs(line)
    assert signs["rank"] == pytest.approx(1.0, abs=1e-4)
    assert signs["spread"] == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("times", [1, 5])
def test_opposite_axes_use_every_direction(times):
    axes = torch.cat([torch.eye(6), -torch.eye(6)]).repeat(times, 1)
    signs = collapse_signs(axes)
    assert signs["rank"] == pytest.approx(6.0, abs=1e-3)
    assert signs["spread"] == pytest.approx(1.0, abs=1e-4)
