"""Writes FASTA barcodes of invented individuals of vector mosquitoes and ticks.

What is planted, and where. One ancestral barcode (`ANCESTOR_BP` bases, read in its second frame
without stop codons of the invertebrate mitochondrial code) evolves along a fixed species tree:

    (((Anopheles gambiae, Anopheles stephensi), (Aedes aegypti, Culex pipiens)),
      (Ixodes ricinus, Dermacentor reticulatus))

Every branch strikes silent-like third positions of codons, so two species differ at a known number
of fixed sites spread over the whole barcode: see `BRANCHES`. A species is these sites and nothing
else. The sequences are invented: they resemble no real mosquito or tick.

What varies without meaning. Each individual is a window of its species' barcode that starts up to
`SHIFT_BP` bases late and keeps `SHORTEST_BP` bases or more, so no column of an alignment is given
and the composition moves with the window; it has mutations of its own, now and then unread bases
(N), a gene region in lower case (masked by the sequencing software), line widths of 60 to 80.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from modalities.dna.alphabet import Codes, decode
from modalities.dna.findings import FINDINGS
from workbench.seeding import keyed_rng

__all__ = ["ANCESTOR_BP", "BRANCHES", "FINDINGS", "lineage", "write"]

ANCESTOR_BP = 658
SHIFT_BP = 300
SHORTEST_BP = 300
OWN_MUTATIONS = 0.01
_THIRD = np.array([0.36, 0.10, 0.08, 0.46])
"""Frequencies of A, C, G, T at third positions: insect mitochondria are rich in A and T."""
_STOPS = {(3, 0, 0), (3, 0, 2)}

BRANCHES: dict[str, tuple[tuple[str, float], ...]] = {
    "Anopheles gambiae": (("Culicidae", 0.05), ("Anopheles", 0.04), ("gambiae", 0.03)),
    "Anopheles stephensi": (("Culicidae", 0.05), ("Anopheles", 0.04), ("stephensi", 0.03)),
    "Aedes aegypti": (("Culicidae", 0.05), ("Culicinae", 0.03), ("aegypti", 0.05)),
    "Culex pipiens": (("Culicidae", 0.05), ("Culicinae", 0.03), ("pipiens", 0.05)),
    "Ixodes ricinus": (("Ixodidae", 0.06), ("ricinus", 0.07)),
    "Dermacentor reticulatus": (("Ixodidae", 0.06), ("reticulatus", 0.07)),
}
"""Branches from the ancestor to each species: name, share of sites it strikes."""


def write(finding: str, rng: np.random.Generator, folder: Path) -> str:
    """Write a one-record FASTA file of an invented individual and return its name in `folder`.

    Args:
        finding: name of a species of `BRANCHES`.
        rng: source of every draw; the same state writes the same bytes.
        folder: where the file goes.
    """
    codes = _individual(lineage(finding), rng)
    letters = _weather(decode(codes), rng)
    specimen = f"VEC{rng.integers(36**6):06d}-{rng.integers(10, 26)}"
    width = int(rng.integers(60, 81))
    lines = [letters[i : i + width] for i in range(0, len(letters), width)]
    name = f"{specimen}.fasta"
    (folder / name).write_text(f">{specimen}|COI-5P\n" + "\n".join(lines) + "\n", newline="\n")
    return name


@lru_cache(maxsize=16)
def lineage(species: str) -> Codes:
    """Return the fixed barcode (658,) of a species: the ancestor with its branches' substitutions."""
    codes = _ancestor()
    for name, share in BRANCHES[species]:
        rng = keyed_rng("dna", "branch", name)
        struck = rng.choice(ANCESTOR_BP, size=round(share * ANCESTOR_BP), replace=False)
        codes[struck] = (codes[struck] + rng.integers(1, 4, size=len(struck))) % 4
        _mend_stops(codes)
    return codes


def _ancestor() -> Codes:
    """Return the barcode at the root of the tree, open in its second reading frame."""
    rng = keyed_rng("dna", "ancestor")
    codes = rng.choice(4, p=_THIRD, size=ANCESTOR_BP).astype(np.uint8)
    return _mend_stops(codes)


def _mend_stops(codes: Codes) -> Codes:
    """Turn TAA and TAG of the second reading frame into TTA and TTG, in place."""
    for i in range(1, len(codes) - 2, 3):
        if tuple(codes[i : i + 3].tolist()) in _STOPS:
            codes[i + 1] = 3
    return codes


def _individual(codes: Codes, rng: np.random.Generator) -> Codes:
    """Return a mutated window of a species' barcode."""
    start = int(rng.integers(SHIFT_BP + 1))
    end = int(rng.integers(start + SHORTEST_BP, ANCESTOR_BP + 1))
    window = codes[start:end].copy()
    struck = rng.random(len(window)) < OWN_MUTATIONS
    window[struck] = (window[struck] + rng.integers(1, 4, size=int(struck.sum()))) % 4
    return window


def _weather(letters: str, rng: np.random.Generator) -> str:
    """Return the letters with what sequencing adds: a few N, a stretch in lower case."""
    if rng.random() < 0.3:
        place = int(rng.integers(len(letters) - 6))
        count = int(rng.integers(1, 4))
        letters = letters[:place] + "N" * count + letters[place + count :]
    if rng.random() < 0.3:
        place = int(rng.integers(len(letters) - 60))
        letters = letters[:place] + letters[place : place + 60].lower() + letters[place + 60 :]
    return letters
