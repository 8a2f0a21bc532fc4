"""An attention block over a set of tokens, some of which may be missing.

Legend: B rows, T tokens, W width.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Pre-norm self-attention, then two linear layers with a GELU between them.

    Args:
        width: W.
        heads: attention heads; divides W.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixed = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x_BTW: Tensor, valid_BT: Tensor) -> Tensor:
        """Return (B, T, W); tokens that are not valid are looked at by none.

        Args:
            x_BTW: tokens; those that are not valid hold finite numbers.
            valid_BT: bool, at least one True in every row.
        """
        B, T, W = x_BTW.shape
        mixed = self.mixed(self.before(x_BTW)).reshape(B, T, 3, self.heads, W // self.heads)
        q, k, v = mixed.permute(2, 0, 3, 1, 4).unbind(0)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=valid_BT[:, None, None, :])
        x_BTW = x_BTW + self.out(y.transpose(1, 2).reshape(B, T, W))
        out: Tensor = x_BTW + self.narrow(functional.gelu(self.wide(self.between(x_BTW))))
        return out
