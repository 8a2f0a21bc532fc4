"""The codebook: sparse mixtures, shared by all modalities."""

import numpy as np
import pytest
import torch
from example_sides import make_side
from torch.nn.functional import normalize

from eval.scores import side_score
from eval.scores.codebook import sparsemax


@pytest.mark.parametrize(
    ("logits", "expected"),
    [([1.0, 0.5, -1.0], [0.75, 0.25, 0.0]), ([3.0, 0.0], [1.0, 0.0]), ([2.0, 2.0], [0.5, 0.5]),
     ([0.1, 0.0, -0.1], [13 / 30, 1 / 3, 7 / 30])],
)  # fmt: skip
def test_sparsemax_of_known_logits(logits, expected):
    assert sparsemax(torch.tensor(logits)).tolist() == pytest.approx(expected, abs=1e-6)


def test_sparsemax_is_the_nearest_point_of_the_simplex():
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.standard_normal((20, 6)))
    found = sparsemax(logits)
    torch.testing.assert_close(found.sum(-1), torch.ones(20, dtype=torch.float64))
    others = torch.from_numpy(rng.dirichlet(np.ones(6), size=500))
    near = (found - logits).square().sum(-1)
    assert bool(((others[:, None] - logits).square().sum(-1) >= near).all())


def test_the_gradient_of_sparsemax_is_that_of_differences():
    logits = torch.tensor([[0.3, 0.1, -0.4, 0.25]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(sparsemax, logits)


def test_scores_are_cosines_of_mixtures_of_codes():
    score, query, candidate = side_score("fdt", 8, size=16), make_side(6), make_side(7, seed=1)
    usage = score.usage(query)
    torch.testing.assert_close(usage.sum(-1), torch.ones(6))
    assert float((usage == 0).float().mean()) > 0.3
    unit = normalize(score.codes, dim=-1)
    mixtures = [normalize(score.usage(s) @ unit, dim=-1) for s in (query, candidate)]
    torch.testing.assert_close(score(query, candidate), mixtures[0] @ mixtures[1].T)
    torch.testing.assert_close(score.single(query), mixtures[0])


def test_a_lower_temperature_is_sparser():
    side = make_side(30)
    used = [(side_score("fdt", 8, temperature=t).usage(side) > 0).sum() for t in (1.0, 0.1, 0.01)]
    assert used[0] > used[1] > used[2]


def test_codes_do_not_depend_on_what_was_drawn_before():
    torch.manual_seed(1)
    one = side_score("fdt", 8).codes
    torch.randn(5)
    assert torch.equal(one, side_score("fdt", 8).codes)
