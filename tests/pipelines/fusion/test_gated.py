"""Gates of fused vectors, worked by hand."""

import pytest
import torch

from pipelines.fusion import build_fusions
from workbench.fuse_config import FuseConfig

UNIT = torch.eye(2)[None]
THERE = torch.ones(1, 2, dtype=torch.bool)


@pytest.mark.parametrize(("gate", "expected"), [("softmax", 3.0), ("sigmoid", 1.5)])
def test_a_bias_of_log_3_triples_a_softmax_gate(gate, expected):
    gated = build_fusions({"p": FuseConfig(of=("a", "b"), how="gated", gate=gate)}, 2, seed=0)["p"]
    with torch.no_grad():
        gated.bias[0] = torch.log(torch.tensor(3.0))
    weights = gated.gates(UNIT, THERE).detach()
    assert float(weights[0, 0] / weights[0, 1]) == pytest.approx(expected)


def test_gates_of_present_modalities_sum_to_one():
    gated = build_fusions({"p": FuseConfig(of=("a", "b"), how="gated")}, 2, seed=0)["p"]
    weights = gated.gates(UNIT.expand(3, 2, 2), torch.tensor([[1, 1], [0, 1], [0, 0]]).bool())
    assert weights.tolist() == [[0.5, 0.5], [0.0, 1.0], [0.0, 0.0]]
