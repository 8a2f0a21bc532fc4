"""The attention block over sets of tokens."""

import torch

from pipelines.attention import Block


def block():
    torch.manual_seed(0)
    return Block(8, 2)


def test_tokens_that_are_not_valid_are_looked_at_by_none():
    x = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    valid = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]]).bool()
    stained = torch.where(valid[..., None], x, 100.0)
    one, two = block()(x, valid), block()(stained, valid)
    assert torch.equal(one[valid], two[valid])
    torch.testing.assert_close(block()(x[:1, :3], valid[:1, :3]), one[:1, :3])


def test_the_order_of_the_tokens_decides_nothing():
    x = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    valid = torch.ones(2, 5, dtype=torch.bool)
    order = torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(block()(x[:, order], valid), block()(x, valid)[:, order])
