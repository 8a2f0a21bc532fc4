"""Chest radiographs: DICOM, PNG, JPEG or TIFF in, one normalised square picture out.

The array is (C, H, W) float32, row 0 at the top, black low and bone high, whatever the file's
photometric interpretation; its statistics follow the published contract named in the options.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from modalities.perceptual import CORRELATED, correlation, perceptual
from modalities.xray.encoder_options import CnnVitTinyOptions, VitOptions
from modalities.xray.findings import FINDINGS
from modalities.xray.options import XrayOptions
from workbench.fingerprint import Fingerprint
from workbench.modality import (
    Batch,
    EncoderEntry,
    Masked,
    Modality,
    Sample,
    Source,
    Spec,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["XRAY", "CnnVitTinyOptions", "VitOptions", "Xray", "XrayOptions"]


class Xray(Modality[XrayOptions]):
    """The X-ray modality; importing it imports neither torch nor an image library."""

    spec = Spec(
        name="xray", axes="c h w", dtype="float32", unit="normalised grey", low=-1024.0,
        high=1024.0, cell="path",
    )  # fmt: skip
    options = XrayOptions
    findings = FINDINGS
    near_at = CORRELATED
    encoders = MappingProxyType({
        entry.name: entry
        for entry in (
            EncoderEntry[XrayOptions](
                "cnn_vit_tiny", "modalities.xray.encoders:cnn_vit_tiny",
                "strided convolutions and one transformer block; trains on a CPU at 64 pixels",
                CnnVitTinyOptions, frozenset({"scratch"}), "nothing: starts from random numbers",
            ),
            EncoderEntry[XrayOptions](
                "vit", "modalities.xray.vit:vit",
                "any transformers vision model; ViT-B/16 from scratch, or a folder or hub id",
                VitOptions, frozenset({"scratch", "local", "hub"}), "whatever its folder says",
            ),
        )
    })  # fmt: skip

    def read(self, source: Source, options: XrayOptions) -> Sample:
        """Decode a DICOM, PNG, JPEG or TIFF file, chosen by content."""
        from modalities.xray.read import read

        return read(source, options)

    def peek(self, source: Source, options: XrayOptions) -> None:
        """Check the header; no pixel is decoded."""
        from modalities.xray.read import peek

        peek(source, options)

    def collate(self, samples: Sequence[Sample], options: XrayOptions) -> Batch:
        """Stack pictures of one size; the mask is False where a letterbox padded."""
        from modalities.xray.batches import collate

        del options
        return collate(samples)

    def augment(self, sample: Sample, rng: np.random.Generator, options: XrayOptions) -> Sample:
        """Shift, scale, turn and brighten a little; never flip, which would swap the sides."""
        from modalities.xray.augment import augment

        return augment(sample, rng, options.preset)

    def mask(
        self, batch: Batch, rng: np.random.Generator, options: XrayOptions, *, ratio: float
    ) -> Masked:
        """Hide square patches of 16 pixels (8 in pictures below 112)."""
        from modalities.xray.batches import mask

        del options
        return mask(batch, rng, ratio)

    def contract(self, options: XrayOptions) -> dict[str, Any]:
        """Return the input contract."""
        preset = options.preset
        return {
            "modality": "xray", "version": 1, "axes": self.spec.axes, "size": preset.size,
            "resize": preset.resize, "normalise": options.normalise, "mean": list(preset.mean),
            "std": list(preset.std), "channels": preset.channels, "clahe": preset.clahe,
            "intensity": "0 = black, 1 = white after rescale, VOI and one inversion",
            "no_window": f"percentiles {options.percentiles[0]} to {options.percentiles[1]}",
        }  # fmt: skip

    def synthesize(self, finding: str, rng: np.random.Generator, folder: Path) -> str:
        """Write a DX file that shows a finding; see `synth` for what is planted where."""
        from modalities.xray.synth import write

        return write(finding, rng, folder)

    def preview(self, sample: Sample) -> Figure:
        """Return the picture in grey."""
        from modalities.xray.batches import preview

        return preview(sample)

    def fingerprint(self, sample: Sample, options: XrayOptions) -> Fingerprint:
        """Return the perceptual hash of the picture, pooled to 32 x 32."""
        del options
        return perceptual(sample, (32, 32))

    def near(self, a: Sample, b: Sample, options: XrayOptions) -> float:
        """Return the correlation of two pictures."""
        del options
        return correlation(a, b)


XRAY = Xray()
