"""The options of the OCT modality, with the published input presets by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from workbench.modality import Options

Fit = Literal["resample", "crop"]
PresetName = Literal["octcube", "octcube-ir", "octcube-8dis", "duke14", "ef", "octcube-hires"]


@dataclass(frozen=True)
class Preset:
    """A published input shape.

    Attributes:
        size: (B-scans, depth pixels, width pixels).
        fit: how the number of B-scans is reached.
    """

    size: tuple[int, int, int]
    fit: Fit = "resample"


PRESETS: dict[str, Preset] = {
    "octcube": Preset((60, 256, 256)),
    "octcube-ir": Preset((54, 256, 256)),
    "octcube-8dis": Preset((48, 256, 256)),
    "duke14": Preset((24, 256, 256), "crop"),
    "ef": Preset((60, 256, 384)),
    "octcube-hires": Preset((3, 512, 512)),
}


class OctOptions(Options):
    """How an OCT file becomes an array (1, B-scans, depth, width) of reflectivity 0..1.

    Attributes:
        preset: published input shape, used where `size` and `fit` are not given.
        size: (B-scans, depth pixels, width pixels).
        fit: `resample` interpolates the B-scans to the number wanted; `crop` takes the middle ones
            or repeats the last one, marked as not valid.
        intensity: what raw reflectivity (Heidelberg .vol) becomes: `display` takes its fourth root,
            which is what device pictures show; `linear` keeps it, and refuses display pictures.
        scale: what the encoder sees: `unit` 0..1, or `norm25`, (x - 0.25) / 0.25 where x > 0.
        scans: `raster` quarantines circle and star scans; `any` reads their B-scans in file order.
        spacing: `required` quarantines files without pixel size; `optional` flags them.
        laterality: `right` mirrors left eyes so that all look like right ones; `as_is` does not.
        array_axes: order of the axes in .npy, .mat and NIfTI arrays; `auto` takes "d h w" for the
            first two, "w h d" for NIfTI, where i is the fast axis.
        partial: `keep` uses the complete B-scans of a file that was cut, with a flag.
        min_quality_db: device quality below which a file is flagged.
        limit_mb: most decoded megabytes per file.
        max_frames: most B-scans per file.
    """

    preset: PresetName = "octcube"
    size: tuple[int, int, int] | None = None
    fit: Fit | None = None
    intensity: Literal["display", "linear"] = "display"
    scale: Literal["unit", "norm25"] = "unit"
    scans: Literal["raster", "any"] = "raster"
    spacing: Literal["optional", "required"] = "optional"
    laterality: Literal["as_is", "right"] = "as_is"
    array_axes: Literal["auto", "d h w", "h w d", "w h d", "d w h", "h d w", "w d h"] = "auto"
    partial: Literal["refuse", "keep"] = "refuse"
    min_quality_db: float = 15.0
    limit_mb: int = Field(default=512, gt=0)
    max_frames: int = Field(default=4096, gt=0)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (B-scans, depth pixels, width pixels) of every sample."""
        return self.size or PRESETS[self.preset].size

    @property
    def frame_fit(self) -> Fit:
        """Return how the number of B-scans is reached."""
        return self.fit or PRESETS[self.preset].fit
