"""The spectrum modality: reflectance by wavelength, from CSV files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.modality import Batch, EncoderEntry, Masked, Modality, Sample, Source, Spec
from workbench_spectrum.read import LIMIT, SpectrumOptions, read
from workbench_spectrum.synth import FINDINGS, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SEGMENT = 8
"""Points hidden together in masked pretraining; the tokens of the encoder are as long."""


class Spectrum(Modality[SpectrumOptions]):
    """One reflectance per point of an even grid of wavelengths; importing it imports no torch."""

    spec = Spec("spectrum", "point", "float32", "reflectance", -LIMIT, LIMIT, "path")
    options = SpectrumOptions
    encoders: Mapping[str, EncoderEntry[SpectrumOptions]] = {
        "spectrum_tiny": EncoderEntry(
            "spectrum_tiny", "workbench_spectrum.encoders:build_tiny",
            "segments of 8 points and two residual layers, 50 k parameters; trains on a CPU",
            data="none",
        )
    }  # fmt: skip
    findings = FINDINGS

    def read(self, source: Source, options: SpectrumOptions) -> Sample:
        """Decode a CSV file to (points,)."""
        return read(source, options)

    def collate(self, samples: Sequence[Sample], options: SpectrumOptions) -> Batch:
        """Stack samples, which all have the options' number of points."""
        import torch

        values = np.stack([s.data for s in samples])
        valid = np.stack([np.ones(s.data.shape, bool) if s.valid is None else s.valid
                          for s in samples])  # fmt: skip
        return Batch(torch.from_numpy(values), torch.from_numpy(valid))

    def augment(self, sample: Sample, rng: np.random.Generator, options: SpectrumOptions) -> Sample:
        """Vary the gain by 5 % and add a little noise; places never move."""
        noise = 0.01 * rng.standard_normal(sample.data.shape)
        data = sample.data * rng.uniform(0.95, 1.05) + noise
        return replace(sample, data=np.clip(data, -LIMIT, LIMIT).astype(np.float32))

    def mask(
        self, batch: Batch, rng: np.random.Generator, options: SpectrumOptions, *, ratio: float
    ) -> Masked:
        """Hide segments of 8 points; hidden values become 0."""
        import torch

        del options
        rows, length = batch.values.shape
        valid = np.ones((rows, length), bool) if batch.valid is None else batch.valid.numpy()
        segments = -(-length // SEGMENT)
        count = max(1, round(ratio * segments))
        chosen = rng.random((rows, segments)).argsort(axis=1).argsort(axis=1) < count
        hidden = torch.from_numpy(np.repeat(chosen, SEGMENT, axis=1)[:, :length] & valid)
        seen = batch.values.masked_fill(hidden, 0.0)
        return Masked(Batch(seen, batch.valid), batch.values, hidden)

    def contract(self, options: SpectrumOptions) -> dict[str, Any]:
        """Return what decides the numbers an encoder sees."""
        return {"points": options.points, "low": options.low, "high": options.high,
                "resampling": "linear"}  # fmt: skip

    def synthesize(self, finding: str, rng: np.random.Generator, folder: Path) -> str:
        """Write a CSV file that shows a finding."""
        return write(finding, rng, folder)

    def preview(self, sample: Sample) -> Figure:
        """Draw the values."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(3, 2), layout="constrained")
        figure.add_subplot().plot(sample.data, linewidth=0.8)
        return figure


SPECTRUM = Spectrum()
