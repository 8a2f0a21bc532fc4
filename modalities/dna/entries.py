"""The DNA encoders by name, described without importing any."""

from __future__ import annotations

from modalities.dna.options import DnaOptions
from workbench.modality import EncoderEntry

ENTRIES: dict[str, EncoderEntry[DnaOptions]] = {}
