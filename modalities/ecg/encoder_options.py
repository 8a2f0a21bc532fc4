"""The options of the ECG encoders, importable without torch."""

from __future__ import annotations

from pydantic import Field, model_validator

from workbench.modality import Options


class Vit1dOptions(Options):
    """Sizes of a ViT over time; the defaults are those of MoRE's ECG tower (ViT-B)."""

    width: int = Field(768, ge=8)
    depth: int = Field(12, ge=1)
    heads: int = Field(12, ge=1)
    stem: int = Field(256, ge=4, description="channels of the first convolution")
    patch: int = Field(5, ge=1, description="samples per token")
    reach: int = Field(0, ge=0, description="samples the first convolution sees on either side")
    drop_tokens: float = Field(0.0, ge=0.0, lt=1.0, description="share left out in training")

    @model_validator(mode="after")
    def _heads_divide(self) -> Vit1dOptions:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of {self.heads} heads")
        return self


class TinyOptions(Vit1dOptions):
    """Sizes of a ViT that trains on one CPU thread in seconds."""

    width: int = Field(64, ge=8)
    depth: int = Field(3, ge=1)
    heads: int = Field(4, ge=1)
    stem: int = Field(48, ge=4, description="channels of the first convolution")
    patch: int = Field(20, ge=1, description="samples per token")
    reach: int = Field(10, ge=0, description="samples the first convolution sees on either side")


class ResnetOptions(Options):
    """Sizes of the residual network; the defaults are those of resnet1d_wang."""

    width: int = Field(128, ge=4)
    stages: int = Field(3, ge=1, le=6)
    groups: int = Field(8, ge=1)

    @model_validator(mode="after")
    def _groups_divide(self) -> ResnetOptions:
        if self.width % self.groups:
            raise ValueError(f"width {self.width} is not a multiple of {self.groups} groups")
        return self
