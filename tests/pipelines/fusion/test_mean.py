"""The mean of present unit vectors, worked by hand."""

import torch

from pipelines.fusion import build_fusions
from workbench.fuse_config import FuseConfig


def test_lengths_do_not_count_and_absent_vectors_neither():
    mean = build_fusions({"p": FuseConfig(of=("a", "b"))}, 2, seed=0)["p"]
    emb = {"a": torch.tensor([[5.0, 0.0], [5.0, 0.0]]), "b": torch.tensor([[0.0, 0.1], [0.0, 0.1]])}
    present = {"a": torch.tensor([True, True]), "b": torch.tensor([True, False])}
    found, some = mean(emb, present)
    half = 0.5**0.5
    torch.testing.assert_close(found, torch.tensor([[half, half], [1.0, 0.0]]))
    assert some.tolist() == [True, True]
