"""MIL-NCE: chance values for bags of any size, and the formula by hand."""

import math

import pytest
import torch
from example_world import EDGES, SHAPES
from torch.nn.functional import normalize

from pipelines.objectives.mil_nce import MIL_NCE, MilNceOptions
from pipelines.objectives.objective import Encoded, Items, Step


def build(**options):
    return MIL_NCE.build(MilNceOptions(**options), EDGES[:1], SHAPES)


def batch(query, bags, valid=None):
    """Return what an objective is given of B queries and their bags."""
    count = len(query)
    there = torch.ones(count, dtype=torch.bool)
    mask = torch.ones(bags.shape[:2], dtype=torch.bool) if valid is None else valid
    encoded = Encoded(
        {"a": query, "b": bags[:, 0]}, {"a": there, "b": there}, {"b": bags}, {"b": mask}
    )
    number = torch.arange(count)
    return encoded, Items(number, number), Step()


def by_hand(query, bags, valid, scale):
    """Both directions, a sum over members at a time."""
    cosines = torch.einsum("id,jpd->ijp", normalize(query, dim=-1), normalize(bags, dim=-1))
    weight = (scale * cosines).exp() * valid[None]
    own = weight.sum(-1).diagonal()
    rows, columns = weight.sum((1, 2)), weight.sum((0, 2))
    return 0.5 * float((rows / own).log().mean() + (columns / own).log().mean())


@pytest.mark.parametrize("options", [{"temperature_per": "edge"}, {"smoothing": 0.1},
                                     {"targets": "soft", "soft_from": "b"}, {"bag": "text"}])  # fmt: skip
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match=r"shared|smoothing|targets|bag"):
        MilNceOptions(**options)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_equal_scores_give_log_b_in_each_direction_whatever_the_bag_size(size):
    found = build()(*batch(torch.ones(12, 16), torch.ones(12, size, 16)))
    assert float(found.total.detach()) == pytest.approx(math.log(12), abs=1e-5)


def test_it_is_the_formula_of_the_paper():
    source = torch.Generator().manual_seed(0)
    query = torch.randn(9, 16, generator=source)
    bags = query[:, None] + torch.randn(9, 4, 16, generator=source)
    valid = torch.arange(4) < torch.randint(1, 5, (9, 1), generator=source)
    found = build(temperature=0.2)(*batch(query, bags, valid))
    assert float(found.total.detach()) == pytest.approx(by_hand(query, bags, valid, 5.0), abs=1e-5)


def test_members_and_candidates_share_one_temperature():
    objective = build(temperature=0.2)
    assert objective.log_scale is objective.score.log_scale
    assert [n for n, p in objective.named_parameters() if p.requires_grad] == ["log_scale"]
    saved = {k: v.clone() for k, v in objective.state_dict().items()}
    other = build(temperature=0.9)
    other.load_state_dict(saved)
    assert other.log_scale is other.score.log_scale
    assert float(other.log_scale.detach().exp()) == pytest.approx(5.0)


def test_one_right_member_suffices():
    source = torch.Generator().manual_seed(0)
    query = torch.eye(8, 16)
    noise = torch.randn(8, 3, 16, generator=source)
    some = torch.cat([query[:, None], noise], 1)
    alone, bag = (float(build()(*batch(query, b)).total.detach()) for b in (query[:, None], some))
    wrong = float(build()(*batch(query, noise)).total.detach())
    assert alone < bag < 0.5 < wrong
