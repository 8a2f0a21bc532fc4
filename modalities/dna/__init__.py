"""The DNA barcode modality: COI sequences as base codes, k-mers inside the encoders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from modalities.dna import augment as views
from modalities.dna import near as nearness
from modalities.dna import read as reader
from modalities.dna import synth
from modalities.dna.alphabet import LETTERS
from modalities.dna.entries import ENTRIES
from modalities.dna.options import DnaOptions
from workbench.fingerprint import Fingerprint
from workbench.modality import Batch, EncoderEntry, Masked, Modality, Sample, Source, Spec

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Dna(Modality[DnaOptions]):
    """DNA barcodes (COI-5P by default): one sequence per cell, 5' to 3'."""

    spec = Spec(
        name="dna", axes="base", dtype="uint8", unit="base code: 0 A, 1 C, 2 G, 3 T, 4 N",
        low=0, high=4, cell="either",
    )  # fmt: skip
    options = DnaOptions
    encoders: dict[str, EncoderEntry[DnaOptions]] = ENTRIES
    findings = synth.FINDINGS
    near_at = 1 - nearness.DISTANCE

    def read(self, source: Source, options: DnaOptions) -> Sample:
        """Decode a sequence in the cell, `file`, or `file#record`, to base codes (L,)."""
        return reader.read(source, options)

    def collate(self, samples: Sequence[Sample], options: DnaOptions) -> Batch:
        """Stack into values (B, max_length) int64 with valid of the same shape."""
        from modalities.dna.batches import stack

        return stack(samples, length=options.max_length)

    def augment(self, sample: Sample, rng: np.random.Generator, options: DnaOptions) -> Sample:
        """Start later, end earlier, misread a few bases; strand and order of bases stay."""
        return views.view(
            sample, rng, offset=options.augment_offset, trim=options.augment_trim,
            substitutions=options.augment_substitutions,
        )  # fmt: skip

    def mask(
        self, batch: Batch, rng: np.random.Generator, options: DnaOptions, *, ratio: float
    ) -> Masked:
        """Hide runs of four bases; the target is the base, one of five symbols."""
        from modalities.dna.batches import hide_runs

        del options
        return hide_runs(batch, rng, ratio)

    def contract(self, options: DnaOptions) -> dict[str, Any]:
        """Return what decides the numbers an encoder sees; k and stride belong to the encoder."""
        kept = ("max_length", "gaps", "end_n", "orientation", "genetic_code")
        return {
            "alphabet": LETTERS, "direction": "5'->3'", "ambiguous": "N", "pad": "right, N",
            "trim": "right", **{key: getattr(options, key) for key in kept},
        }  # fmt: skip

    def synthesize(self, finding: str, rng: np.random.Generator, folder: Path) -> str:
        """Write a one-record FASTA file of an invented individual of the species."""
        return synth.write(finding, rng, folder)

    def preview(self, sample: Sample) -> Figure:
        """Draw the barcode as coloured bars, one per base, as BOLD does."""
        from modalities.dna.picture import draw

        return draw(sample)

    def fingerprint(self, sample: Sample, options: DnaOptions) -> Fingerprint:
        """Return MinHash keys of the k-mers; see `modalities.dna.near`."""
        del options
        return nearness.fingerprint(sample)

    def near(self, a: Sample, b: Sample, options: DnaOptions) -> float:
        """Return 1 - distance of two aligned barcodes."""
        del options
        return nearness.near(a, b)


DNA = Dna()
