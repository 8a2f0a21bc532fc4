"""Optical coherence tomography of the retina: volumes and single B-scans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modalities.oct.augment import augment
from modalities.oct.entries import ENCODERS
from modalities.oct.findings import FINDINGS
from modalities.oct.options import OctOptions, PresetName
from modalities.oct.read import read
from modalities.oct.synth import write
from modalities.perceptual import CORRELATED, correlation, perceptual
from workbench.fingerprint import Fingerprint
from workbench.modality import Batch, Masked, Modality, Sample, Source, Spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["OCT", "Oct", "OctOptions", "PresetName"]


class Oct(Modality[OctOptions]):
    """See `CARD.md` beside this file for formats, units, flags and encoders."""

    spec = Spec(
        name="oct", axes="c d h w", dtype="float32", unit="reflectivity 0..1",
        low=0.0, high=1.0, cell="path",
    )  # fmt: skip
    options = OctOptions
    encoders = ENCODERS
    findings = FINDINGS
    near_at = CORRELATED

    def read(self, source: Source, options: OctOptions) -> Sample:
        """Decode a file or a folder of B-scans to (1, B-scans, depth, width)."""
        return read(source, options)

    def collate(self, samples: Sequence[Sample], options: OctOptions) -> Batch:
        """Stack samples, which all have the shape of the options, and apply `options.scale`."""
        from modalities.oct.batches import collate

        return collate(samples, options)

    def augment(self, sample: Sample, rng: np.random.Generator, options: OctOptions) -> Sample:
        """Vary gain, noise and position; reverse the B-scans; never mirror the eye."""
        del options
        return augment(sample, rng)

    def mask(
        self, batch: Batch, rng: np.random.Generator, options: OctOptions, *, ratio: float
    ) -> Masked:
        """Hide cubes of 3 B-scans x 16 x 16 pixels."""
        from modalities.oct.cubes import hide

        del options
        return hide(batch, rng, ratio)

    def contract(self, options: OctOptions) -> dict[str, Any]:
        """Return shape, frame policy, spacing policy, intensity and scale."""
        frames, height, width = options.shape
        return {
            "frames": frames, "height": height, "width": width, "fit": options.frame_fit,
            "filter": "separable triangle, antialiased", "intensity": options.intensity,
            "scale": options.scale, "spacing": options.spacing, "scans": options.scans,
            "laterality": options.laterality, "depth_axis": "vitreous at index 0",
            "slow_axis": "file order, by stack position where it is given",
            "preset": "custom" if options.size or options.fit else options.preset,
        }  # fmt: skip

    def synthesize(self, finding: str, rng: np.random.Generator, folder: Path) -> str:
        """Write one DICOM volume of 12 B-scans x 64 x 64 that shows a finding."""
        return write(finding, rng, folder)

    def preview(self, sample: Sample) -> Figure:
        """Return the middle B-scan beside the view from the front."""
        from modalities.oct.preview import preview

        return preview(sample)

    def fingerprint(self, sample: Sample, options: OctOptions) -> Fingerprint:
        """Return the perceptual hash of the volume, pooled to 8 x 32 x 32."""
        del options
        return perceptual(sample, (8, 32, 32))

    def near(self, a: Sample, b: Sample, options: OctOptions) -> float:
        """Return the correlation of two volumes."""
        del options
        return correlation(a, b)


OCT = Oct()
