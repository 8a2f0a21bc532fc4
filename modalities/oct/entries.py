"""Lists the encoders of the OCT modality without importing them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from modalities.oct.options import OctOptions
from workbench.modality import EncoderEntry, Options


class TinyOptions(Options):
    """Size of `vit3d_tiny`.

    Attributes:
        width: feature width inside, a multiple of `heads` and of 4.
        depth: transformer blocks.
        heads: attention heads.
    """

    width: int = Field(default=64, gt=0)
    depth: int = Field(default=2, gt=0)
    heads: int = Field(default=4, gt=0)


_ENTRIES: tuple[EncoderEntry[Any], ...] = (
    EncoderEntry(
        name="vit3d_tiny",
        builder="modalities.oct.encoders:build_tiny",
        summary="convolutional stem and 2 transformer blocks over 3 x 16 x 16 cubes; from scratch",
        options=TinyOptions,
        data="none: trained from scratch",
    ),
)

ENCODERS: dict[str, EncoderEntry[OctOptions]] = {entry.name: entry for entry in _ENTRIES}
