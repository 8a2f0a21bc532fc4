"""The options of the report encoders, importable without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.modality import Options


class TinyOptions(Options):
    """Size of `text_tiny`.

    Attributes:
        width: feature width, a multiple of `heads`.
        heads: attention heads.
        blocks: transformer blocks.
    """

    width: int = Field(default=96, ge=8)
    heads: int = Field(default=4, ge=1)
    blocks: int = Field(default=2, ge=1, le=12)


class BagOptions(Options):
    """Size of `word_bag`.

    Attributes:
        width: feature width.
    """

    width: int = Field(default=128, ge=8)


class TextOptions(Options):
    """How `text` is built and pooled.

    Attributes:
        architecture: published size that `weights: scratch` is built in.
        pooling: `mean` over real tokens; `cls` takes the first token; `unmasked_mean` pads to
            `max_tokens` and averages the padding in, as MoRE's published weights expect.
    """

    architecture: Literal["bert-base", "roberta-base", "distilbert-base", "bert-small"] = (
        "bert-base"
    )
    pooling: Literal["mean", "cls", "unmasked_mean"] = "mean"
