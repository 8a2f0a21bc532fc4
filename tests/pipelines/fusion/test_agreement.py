"""Agreement of modalities and the running statistics that standardise it."""

import pytest
import torch

from pipelines.fusion import build_fusions
from pipelines.fusion.agreement import agreement
from workbench.fuse_config import FuseConfig


def made():
    return build_fusions({"p": FuseConfig(of=("a", "b"), how="agreement")}, 2, seed=0)["p"]


def rows(*cosines):
    """Pairs of unit vectors with these cosines."""
    c = torch.tensor(cosines)
    b = torch.stack([c, (1 - c**2).sqrt()], dim=1)
    a = torch.tensor([[1.0, 0.0]]).expand(len(c), 2)
    everywhere = torch.ones(len(c), dtype=torch.bool)
    return {"a": a, "b": b}, {"a": everywhere, "b": everywhere}


def test_agreement_is_the_mean_cosine_of_present_pairs():
    unit = torch.tensor([[[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]]).expand(3, 3, 2)
    there = torch.tensor([[1, 1, 1], [1, 1, 0], [0, 1, 0]]).bool()
    found, any_pair = agreement(unit * there[..., None], there)
    torch.testing.assert_close(found, torch.tensor([(0.6 + 0.8 + 0.0) / 3, 0.6, 0.0]))
    assert any_pair.tolist() == [True, True, False]


def test_the_first_batch_sets_the_statistics_and_later_ones_move_them():
    fusion = made().train()
    fusion(*rows(0.2, 0.4))
    assert float(fusion.mean) == pytest.approx(0.3)
    assert float(fusion.variance) == pytest.approx(0.01)
    fusion(*rows(0.9, 0.9))
    assert float(fusion.mean) == pytest.approx(0.36)
    assert float(fusion.variance) == pytest.approx(0.009)


def test_evaluation_and_single_rows_leave_the_statistics_alone():
    fusion = made()
    fusion.eval()(*rows(0.2, 0.4))
    fusion.train()(*rows(0.5))
    assert float(fusion.mean) == 0.0
    assert int(fusion.batches) == 0


def test_training_and_evaluation_agree_under_equal_statistics():
    fusion = made().train()
    with torch.no_grad():
        fusion.joint.weight.add_(torch.tensor([[0.0, 2.0], [-1.0, 0.5]]))
    trained, _ = fusion(*rows(0.2, 0.4, -0.5))
    evaluated, _ = fusion.eval()(*rows(0.2, 0.4, -0.5))
    assert torch.equal(trained, evaluated)


def test_what_modalities_share_counts_more_where_they_agree():
    fusion = made().eval()
    with torch.no_grad():
        fusion.joint.bias.copy_(torch.tensor([0.0, -9.0]))
        fusion.mean.fill_(0.5)
        fusion.variance.fill_(0.01)
    agreed = fusion(*rows(0.9))[0].detach()
    apart = fusion(*rows(0.1))[0].detach()
    assert float(agreed[0, 1]) < -0.9
    assert float(apart[0, 1]) > 0
