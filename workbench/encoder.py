"""The encoder half of the plugin contract: what a tower returns and what a pipeline may ask of it.

Legend: B batch, T tokens, W feature width, P input elements under one token.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from workbench.errors import Failure
from workbench.modality import Batch


@dataclass(frozen=True)
class Features:
    """What an encoder returns for a batch.

    Attributes:
        pooled: (B, W) one vector per sample, padding left out of the pooling.
        tokens: (B, T, V) one vector per place, of a width V of their own, in the order of
            `Encoder.patchify`, without class tokens; None where the architecture has none.
        token_valid: (B, T) bool, False for padding; None = all real.
    """

    pooled: Tensor
    tokens: Tensor | None = None
    token_valid: Tensor | None = None


class Encoder(nn.Module, ABC):
    """A tower: batch in, features out.

    Attributes:
        width: W, the width of `Features.pooled`.
        lora_targets: names (or dotted suffixes) of the modules that LoRA wraps by default.
        drop_tokens: share of the tokens that a training step leaves out, chosen at random; these
            keep their places in `Features.tokens`, not valid.
    """

    width: int
    lora_targets: tuple[str, ...]
    drop_tokens: float = 0.0

    @abstractmethod
    def forward(self, batch: Batch) -> Features:
        """Encode a batch."""

    @abstractmethod
    def blocks(self) -> Sequence[nn.Module]:
        """Return the blocks in order from the input; `unlock_last: k` trains the last k of them."""

    def calibrate(self, batches: Iterable[Batch]) -> None:
        """Set constants that depend on the training samples, such as a consensus.

        Called once, before any training, when the weights are scratch. What it sets are buffers or
        starting weights, so that checkpoints carry it. Does nothing by default.

        Args:
            batches: training samples of this modality, unaugmented, each read when it is asked for.
        """
        del batches

    def patchify(self, values: Tensor) -> Tensor:
        """Cut (B, *axes) into the elements under each token, (B, T, P), for masked pretraining."""
        raise Failure(
            f"{type(self).__name__} has no tokens, so it cannot be pretrained by masking; "
            "remove it from `pretrain:` or choose an encoder that has tokens"
        )


def masked_mean(tokens: Tensor, valid: Tensor | None) -> Tensor:
    """Average (B, T, W) over the real tokens only; a row without any gives zeros.

    Args:
        tokens: (B, T, W).
        valid: (B, T) bool, or None when every token is real.
    """
    if valid is None:
        return tokens.mean(dim=1)
    weight = valid.to(tokens.dtype).unsqueeze(-1)
    return (tokens * weight).sum(dim=1) / weight.sum(dim=1).clamp_min(1.0)
