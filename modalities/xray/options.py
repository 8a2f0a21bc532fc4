"""The options of an X-ray in a pipeline file, with the published input contracts by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from workbench.modality import Options

Resize = Literal["stretch", "letterbox", "crop"]
Normalise = Literal["more", "xrv", "chexzero", "medclip", "clip", "unit"]


@dataclass(frozen=True)
class Preset:
    """A published input contract: every one is an affine map of grey in 0..1.

    Attributes:
        size: side of the square image in pixels.
        resize: whether the aspect is lost, kept by padding or kept by a centre crop.
        mean: subtracted, per channel; one value stands for every channel.
        std: divided by, per channel.
        channels: how often grey is repeated.
        clahe: whether contrast is equalised locally first.
    """

    size: int
    resize: Resize
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: Literal[1, 3]
    clahe: bool = False


PRESETS: Mapping[str, Preset] = {
    # MoRE, arXiv 2410.16239
    "more": Preset(224, "stretch", (0.499,), (0.293,), 3, clahe=True),
    # torchxrayvision: (2x - 1) * 1024
    "xrv": Preset(224, "crop", (0.5,), (1 / 2048,), 1),
    # CheXzero: statistics on 0..255
    "chexzero": Preset(320, "letterbox", (101.488 / 255,), (83.439 / 255,), 3),
    # MedCLIP
    "medclip": Preset(224, "stretch", (0.5863,), (0.2795,), 3),
    # CLIP
    "clip": Preset(224, "crop", (0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758), 3),
    # no statistics
    "unit": Preset(224, "stretch", (0.0,), (1.0,), 1),
}


class XrayOptions(Options):
    """How X-rays are read.

    Attributes:
        normalise: published contract; it sets whatever of size, resize and channels is not given.
        size: side of the square image in pixels; None = the contract's own.
        resize: "stretch" loses the aspect, "letterbox" pads, "crop" cuts the longer side.
        channels: 1, or 3 for encoders of colour pictures.
        frame: index from 0 of the frame wanted; a multi-frame file without it is refused.
        percentiles: grey stretch of files with neither VOI LUT nor window, in percent.
        phi: pictures that may carry burned-in text are refused ("strict"), flagged or let through.
        limit_mb: most decoded megabytes of one file.
    """

    normalise: Normalise = "more"
    size: int | None = Field(default=None, ge=16, le=4096)
    resize: Resize | None = None
    channels: Literal[1, 3] | None = None
    frame: int | None = Field(default=None, ge=0)
    percentiles: tuple[float, float] = (0.5, 99.5)
    phi: Literal["strict", "flag", "off"] = "flag"
    limit_mb: int = Field(default=512, ge=1, le=8192)

    @model_validator(mode="after")
    def _check(self) -> XrayOptions:
        low, high = self.percentiles
        if not 0 <= low < high <= 100:
            raise ValueError("percentiles must be two rising numbers in 0..100")
        if self.normalise == "clip" and self.channels == 1:
            raise ValueError("normalise: clip has one mean per colour and needs channels: 3")
        return self

    @property
    def preset(self) -> Preset:
        """The contract in force: the published one with what the options override."""
        base = PRESETS[self.normalise]
        return Preset(
            self.size or base.size, self.resize or base.resize, base.mean, base.std,
            self.channels or base.channels, base.clahe,
        )  # fmt: skip
