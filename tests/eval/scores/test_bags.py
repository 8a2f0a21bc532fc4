"""Bags: log-sum-exp over members."""

import math

import pytest
import torch
from example_sides import make_side, one_token
from torch.nn.functional import normalize

from eval.scores import side_score
from eval.scores.pooled import Pooled


@pytest.mark.parametrize("bag", ["query", "candidate", "both"])
def test_a_bag_of_one_is_cosine(bag):
    query, candidate = one_token(make_side(6)), one_token(make_side(7, seed=1))
    found = side_score("mil_nce", 8, bag=bag)(query, candidate)
    torch.testing.assert_close(found, Pooled(dim=8)(query, candidate), atol=1e-6, rtol=0)


def test_a_bag_of_equal_members_scores_by_its_size():
    query, candidate = make_side(3), make_side(2, seed=1)
    candidate.tokens["a"][:] = candidate.vectors["a"][:, None]
    candidate.token_valid["a"][:] = torch.tensor([[True] * 5, [True, True, False, False, False]])
    found = side_score("mil_nce", 8, temperature=0.1)(query, candidate)
    gain = 0.1 * torch.tensor([math.log(5), math.log(2)])
    expected = Pooled(dim=8)(query, candidate) + gain
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_both_sides_as_bags_pair_every_member_with_every_other():
    query, candidate = make_side(3), make_side(4, seed=1)
    cosines = torch.einsum(
        "qsd,ctd->qcst", *(normalize(s.tokens["a"], dim=-1) for s in (query, candidate))
    )
    real = query.token_valid["a"][:, None, :, None] & candidate.token_valid["a"][None, :, None]
    members = (cosines / 0.5).masked_fill(~real, -math.inf).flatten(2)
    found = side_score("mil_nce", 8, bag="both", temperature=0.5)(query, candidate)
    torch.testing.assert_close(found, 0.5 * members.logsumexp(-1), atol=1e-6, rtol=0)
