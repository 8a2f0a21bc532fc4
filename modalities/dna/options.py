"""The options of the DNA modality: how a barcode is cleaned, cut and varied."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from workbench.modality import Options


class DnaOptions(Options):
    """Schema of `options:` for DNA barcodes; the defaults are those of BarcodeBERT.

    Attributes:
        max_length: bases per barcode in a batch: shorter ones are padded with N, longer ones lose
            their right end.
        gaps: "strip" removes alignment gaps, "keep" reads them as N (aligned data).
        end_n: "strip" removes leading and trailing N, "keep" leaves them.
        orientation: "detect" turns a barcode whose other strand reads with fewer stop codons,
            "keep" leaves every barcode as it stands and flags the suspicion.
        genetic_code: NCBI table for stop codons: 5 invertebrate, 2 vertebrate mitochondrial.
        shortest_bp: shorter barcodes are flagged (BOLD: 500).
        longest_bp: longer barcodes are flagged (BOLD: 700).
        marker: rows of a BOLD table with another marker code are not read.
        id_column: column of a table that holds record ids; found by its usual names when None.
        sequence_column: column of a table that holds sequences; found by its usual names when None.
        max_letters: most letters one record may have.
        max_content_mb: most megabytes one file may have, inflated.
        augment_offset: most bases a training view loses at its start.
        augment_trim: most bases a training view loses at its end.
        augment_substitutions: share of bases that a training view misreads.
    """

    max_length: int = Field(default=660, ge=8, le=100_000)
    gaps: Literal["strip", "keep"] = "strip"
    end_n: Literal["strip", "keep"] = "strip"
    orientation: Literal["detect", "keep"] = "detect"
    genetic_code: Literal[2, 5] = 5
    shortest_bp: int = Field(default=500, ge=0)
    longest_bp: int = Field(default=700, ge=1)
    marker: str = "COI-5P"
    id_column: str | None = None
    sequence_column: str | None = None
    max_letters: int = Field(default=1_000_000, ge=1)
    max_content_mb: int = Field(default=512, ge=1)
    augment_offset: int = Field(default=3, ge=0)
    augment_trim: int = Field(default=20, ge=0)
    augment_substitutions: float = Field(default=0.005, ge=0.0, le=0.2)
