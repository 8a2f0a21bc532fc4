"""The options of the X-ray encoders, free of torch so that a pipeline file can be checked early."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.modality import Options


class CnnVitTinyOptions(Options):
    """Size of the tiny encoder.

    Attributes:
        width: feature width of a token; a multiple of 16 and of `heads`.
        depth: transformer blocks.
        heads: attention heads.
        drop_tokens: share of the tokens that the blocks do not see in training.
    """

    width: int = Field(default=64, ge=16, le=512, multiple_of=16)
    depth: int = Field(default=1, ge=1, le=12)
    heads: int = Field(default=4, ge=1, le=16)
    drop_tokens: float = Field(default=0.0, ge=0.0, lt=1.0)


class VitOptions(Options):
    """Shape of a vision transformer built from scratch; weights from a folder bring their own.

    Attributes:
        width: hidden width (ViT-B: 768).
        depth: blocks (ViT-B: 12).
        heads: attention heads (ViT-B: 12).
        patch: side of a patch in pixels (ViT-B/16: 16).
        qkv_bias: False builds MoRE's variant.
        pool: the class token, or the mean of the patch tokens that hold picture.
        drop_tokens: share of the patch tokens left out in training.
    """

    width: int = Field(default=768, ge=16, le=4096)
    depth: int = Field(default=12, ge=1, le=64)
    heads: int = Field(default=12, ge=1, le=64)
    patch: int = Field(default=16, ge=2, le=64)
    qkv_bias: bool = True
    pool: Literal["cls", "mean"] = "cls"
    drop_tokens: float = Field(default=0.0, ge=0.0, lt=1.0)
