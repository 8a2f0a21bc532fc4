from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from modalities.layers import (
    Attention,
    AttentionPool,
    TransformerBlock,
    resize_grid,
    resize_line,
    sincos,
)


def by_hand(block: TransformerBlock, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The block written out in the order of flash-attn: (MLP output, residual)."""
    heads, width = block.mixer.heads, x.shape[-1]
    y = functional.layer_norm(x, (width,), block.norm1.weight, block.norm1.bias, 1e-6)
    qkv = y @ block.mixer.Wqkv.weight.T + block.mixer.Wqkv.bias
    q, k, v = qkv.split(width, dim=-1)
    out = torch.empty_like(x)
    for h in range(heads):
        part = slice(h * width // heads, (h + 1) * width // heads)
        score = q[..., part] @ k[..., part].transpose(1, 2) / (width // heads) ** 0.5
        out[..., part] = score.softmax(-1) @ v[..., part]
    residual = x + out @ block.mixer.out_proj.weight.T + block.mixer.out_proj.bias
    z = functional.layer_norm(residual, (width,), block.norm2.weight, block.norm2.bias, 1e-6)
    hidden = functional.gelu(z @ block.mlp.fc1.weight.T + block.mlp.fc1.bias)
    return hidden @ block.mlp.fc2.weight.T + block.mlp.fc2.bias, residual


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="not a multiple"):
        Attention(10, 3)


@pytest.mark.parametrize("final_residual", [True, False])
def test_block_equals_the_one_written_by_hand(final_residual: bool) -> None:
    torch.manual_seed(0)
    block = TransformerBlock(12, 3, final_residual=final_residual)
    x = torch.randn(2, 5, 12)
    out, residual = by_hand(block, x)
    expected = residual + out if final_residual else out
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)


def test_padding_changes_nothing_for_real_tokens() -> None:
    torch.manual_seed(0)
    block = TransformerBlock(8, 2)
    x = torch.randn(1, 4, 8)
    padded = torch.cat([x, torch.full((1, 3, 8), 7.0)], dim=1)
    valid = torch.arange(7)[None] < 4
    torch.testing.assert_close(block(padded, valid)[:, :4], block(x), atol=1e-5, rtol=1e-5)


def test_a_row_without_real_tokens_stays_finite() -> None:
    block, pool = TransformerBlock(8, 2), AttentionPool(8)
    x, none = torch.randn(1, 3, 8), torch.zeros(1, 3, dtype=torch.bool)
    assert torch.isfinite(block(x, none)).all()
    assert torch.isfinite(pool(x, none)).all()


def test_attention_pool_gives_padding_no_weight() -> None:
    pool = AttentionPool(4)
    x = torch.randn(1, 5, 4)
    valid = torch.arange(5)[None] < 2
    torch.testing.assert_close(pool(x, valid), pool(x[:, :2]))


def test_position_resizing_keeps_what_fits_and_halves_a_grid_between_neighbours() -> None:
    line = torch.arange(4.0).reshape(1, 4, 1)
    assert resize_line(line, 4) is line
    torch.testing.assert_close(resize_line(line, 2).flatten(), torch.tensor([0.5, 2.5]))
    grid = torch.arange(16.0).reshape(1, 16, 1)
    assert resize_grid(grid, (4, 4), (4, 4)) is grid
    direct = functional.interpolate(
        torch.arange(16.0).reshape(1, 1, 4, 4), size=(2, 3), mode="bicubic", align_corners=False
    )
    torch.testing.assert_close(resize_grid(grid, (4, 4), (2, 3)).flatten(), direct.flatten())


def test_sincos_starts_at_zero_and_one() -> None:
    table = sincos(3, 6)
    assert table.shape == (1, 3, 6)
    assert table[0, 0].tolist() == [0, 0, 0, 1, 1, 1]
