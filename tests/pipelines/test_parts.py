"""Tensors in parts: made whole, cut again, and clipped with whole ones by their common norm."""

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Shard, distribute_tensor

from pipelines.parts import clipped, part_like, whole


@pytest.fixture
def mesh(tmp_path):
    """A group of this process alone."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


def test_a_whole_tensor_stays_itself():
    x = torch.arange(3.0)
    assert whole(x) is x
    assert part_like(x, torch.zeros(3)) is x


def test_what_is_cut_and_put_together_is_what_it_was(mesh):
    x = torch.randn(4, 3)
    part = part_like(x, distribute_tensor(torch.zeros(4, 3), mesh, [Shard(0)]))
    assert isinstance(part, DTensor)
    assert part_like(part, part) is part
    assert torch.equal(whole(part), x)


def test_one_norm_clips_parts_and_wholes_alike(mesh):
    gradients = [torch.full((2,), 3.0), torch.full((2, 2), 4.0)]
    plain = [nn.Parameter(torch.zeros_like(g)) for g in gradients]
    mixed = [nn.Parameter(torch.zeros(2)),
             nn.Parameter(distribute_tensor(torch.zeros(2, 2), mesh, [Shard(0)]))]  # fmt: skip
    for wanted, other, gradient in zip(plain, mixed, gradients, strict=True):
        wanted.grad = gradient.clone()
        other.grad = part_like(gradient.clone(), other.detach())
    norm = clipped(plain, 1.0)
    assert float(norm) == pytest.approx((2 * 9 + 4 * 16) ** 0.5)
    assert float(clipped(mixed, 1.0)) == pytest.approx(float(norm))
    for wanted, other in zip(plain, mixed, strict=True):
        torch.testing.assert_close(whole(other.grad), wanted.grad)


def test_a_small_norm_is_left_alone(mesh):
    weight = nn.Parameter(distribute_tensor(torch.zeros(2), mesh, [Shard(0)]))
    weight.grad = part_like(torch.tensor([0.3, 0.4]), weight.detach())
    assert float(clipped([weight, nn.Parameter(torch.zeros(1))], 1.0)) == pytest.approx(0.5)
    assert whole(weight.grad).tolist() == pytest.approx([0.3, 0.4])
