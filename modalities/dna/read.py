"""Reads one manifest cell: a barcode written in the cell, or a record of a file."""

from __future__ import annotations

from modalities.dna.alphabet import encode
from modalities.dna.options import DnaOptions
from workbench.modality import Sample, Source


def read(source: Source, options: DnaOptions) -> Sample:
    """Decode one cell (stub: inline upper-case sequences and one-record FASTA files)."""
    text = source.value
    if "." in text:
        text = "".join(source.path().read_text().split("\n")[1:])
    return Sample(encode(text.upper().encode()))
