"""Lists the encoders of the OCT modality without importing them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from modalities.oct.options import OctOptions
from workbench.modality import EncoderEntry, Options


class TinyOptions(Options):
    """Size of `vit3d_tiny`.

    Attributes:
        width: feature width inside, a multiple of `heads` and of 4.
        depth: transformer blocks.
        heads: attention heads.
        drop_tokens: share of the cubes that the blocks do not see in training.
    """

    width: int = Field(default=64, gt=0)
    depth: int = Field(default=2, gt=0)
    heads: int = Field(default=4, gt=0)
    drop_tokens: float = Field(default=0.0, ge=0.0, lt=1.0)


class OctCubeOptions(Options):
    """Size of `octcube_vit`; the defaults are the published ViT-L.

    Attributes:
        width: feature width.
        depth: transformer blocks.
        heads: attention heads.
        spatial_grid: grid of the stored spatial positions (32 x 32 in the published file),
            interpolated to the input.
        temporal_grid: number of stored temporal positions.
        temporal: how they reach another number: `interpolate`, or `crop` to the middle ones.
        final_residual: False reproduces the published checkpoint, whose features are the last MLP's
            output without the residual; a model trained from scratch keeps it.
        drop_tokens: share of the cubes left out in training.
    """

    width: int = Field(default=1024, gt=0)
    depth: int = Field(default=24, gt=0)
    heads: int = Field(default=16, gt=0)
    spatial_grid: tuple[int, int] = (32, 32)
    temporal_grid: int = Field(default=20, gt=0)
    temporal: Literal["interpolate", "crop"] = "interpolate"
    final_residual: bool = False
    drop_tokens: float = Field(default=0.0, ge=0.0, lt=1.0)


class MonaiVitOptions(Options):
    """Size of `monai_vit3d`; the defaults are ViT-B.

    Attributes:
        width: feature width.
        depth: transformer blocks.
        heads: attention heads.
        drop_tokens: share of the cubes left out in training.
    """

    width: int = Field(default=768, gt=0)
    depth: int = Field(default=12, gt=0)
    heads: int = Field(default=12, gt=0)
    drop_tokens: float = Field(default=0.0, ge=0.0, lt=1.0)


class SwinOptions(Options):
    """Size of `monai_swin_unetr`; the defaults are those of the published SwinUNETR.

    Attributes:
        width: feature width of the first stage; the bottleneck has 16 times as many.
        depths: blocks of the four stages.
        heads: attention heads of the four stages.
        checkpointing: recompute activations in training to save memory.
    """

    width: int = Field(default=48, gt=0)
    depths: tuple[int, int, int, int] = (2, 2, 2, 2)
    heads: tuple[int, int, int, int] = (3, 6, 12, 24)
    checkpointing: bool = False


_ENTRIES: tuple[EncoderEntry[Any], ...] = (
    EncoderEntry(
        name="vit3d_tiny",
        builder="modalities.oct.encoders:build_tiny",
        summary="convolutional stem and 2 transformer blocks over 3 x 16 x 16 cubes; from scratch",
        options=TinyOptions,
        data="none: trained from scratch",
    ),
    EncoderEntry(
        name="octcube_vit",
        builder="modalities.oct.octcube:build_octcube",
        summary="OCTCube's 3-D ViT-L over 3 x 16 x 16 cubes (ZucksLiu/OCTCubeM), 304 M parameters",
        options=OctCubeOptions,
        weights=frozenset({"scratch", "local"}),
        data="OCTCube.pth: 26,685 Spectralis volumes of one hospital, 1.62 M B-scans (its README)",
    ),
    EncoderEntry(
        name="monai_vit3d",
        builder="modalities.oct.monai_encoders:build_vit",
        summary="MONAI ViT over 3 x 16 x 16 cubes, ViT-B size",
        options=MonaiVitOptions,
        weights=frozenset({"scratch", "local"}),
    ),
    EncoderEntry(
        name="monai_swin_unetr",
        builder="modalities.oct.monai_encoders:build_swin",
        summary="encoder of MONAI's SwinUNETR, tokens from its bottleneck",
        options=SwinOptions,
        weights=frozenset({"scratch", "local"}),
    ),
)

ENCODERS: dict[str, EncoderEntry[OctOptions]] = {entry.name: entry for entry in _ENTRIES}
