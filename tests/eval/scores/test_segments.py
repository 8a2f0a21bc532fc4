"""Segment attention: its limits, and that attention finds the right segment."""

import pytest
import torch
from example_sides import make_side, one_token
from torch.nn.functional import normalize

from eval.scores import side_score
from eval.scores.pooled import Pooled


def test_one_segment_is_cosine():
    query, candidate = make_side(6), one_token(make_side(7, seed=1))
    found = side_score("segment_attention", 8)(query, candidate)
    torch.testing.assert_close(found, Pooled(dim=8)(query, candidate), atol=1e-6, rtol=0)


@pytest.mark.parametrize("temperature", [1e6, 0.01])
def test_a_high_temperature_gives_the_mean_and_a_low_one_the_largest(temperature):
    query, candidate = make_side(6), make_side(7, seed=1)
    score = side_score("segment_attention", 8, temperature=temperature, learn=False)
    unit = normalize(candidate.tokens["a"], dim=-1)
    cosines = torch.einsum("qd,ctd->qct", normalize(query.vectors["a"], dim=-1), unit)
    real = candidate.token_valid["a"]
    if temperature > 1:
        expected = (cosines * real).sum(-1) / real.sum(-1)
        torch.testing.assert_close(score(query, candidate), expected, atol=1e-6, rtol=0)
    else:
        expected = cosines.masked_fill(~real, -1.0).amax(-1)
        torch.testing.assert_close(score(query, candidate), expected, atol=0.02, rtol=0)


def test_weights_sum_to_one_over_real_segments_and_give_the_score():
    query, candidate = make_side(6), make_side(7, seed=1)
    score = side_score("segment_attention", 8)
    weights = score.weights(query, candidate)
    torch.testing.assert_close(weights.sum(-1), torch.ones(6, 7))
    assert bool((weights[:, ~candidate.token_valid["a"]] == 0).all())


def test_the_weight_peaks_on_the_one_slice_of_sixty_that_shows_the_finding():
    source = torch.Generator().manual_seed(0)
    query, candidate = make_side(20), make_side(20, seed=1, tokens=60)
    candidate.token_valid["a"].fill_(True)
    where = torch.randint(60, (20,), generator=source)
    noise = 0.3 * torch.randn(20, 8, generator=source)
    candidate.tokens["a"][torch.arange(20), where] = query.vectors["a"] + noise
    weights = side_score("segment_attention", 8).weights(query, candidate)
    peak = weights[torch.arange(20), torch.arange(20)].argmax(-1)
    assert float((peak == where).float().mean()) >= 0.8


def test_the_temperature_learns_unless_it_is_fixed():
    query, candidate = make_side(6), make_side(7, seed=1)
    learned, fixed = (side_score("segment_attention", 8, learn=learn) for learn in (True, False))
    learned(query, candidate).sum().backward()
    assert float(learned.log_temperature.grad.abs()) > 0
    assert not fixed.log_temperature.requires_grad
