"""Writes FASTA barcodes of invented individuals of vector mosquitoes and ticks.

What is planted, and where. One ancestral barcode (`ANCESTOR_BP` bases, read in its second frame
without stop codons of the invertebrate mitochondrial code) evolves along a fixed species tree:

    (((Anopheles gambiae, Anopheles stephensi), (Aedes aegypti, Culex pipiens)),
      (Ixodes ricinus, Dermacentor reticulatus))

Every branch substitutes a share of the sites (`BRANCHES`), spread over the whole barcode and the
same for every individual: two species differ at 5 % (one genus) to 16 % of their sites. A species
is these substitutions and nothing else. The sequences resemble no real mosquito or tick.

What varies without meaning. `LABILE` sites, the same in every species, hold any base in most
individuals; 1 % of all sites mutate in each. What is read of an individual is a window that starts
up to `SHIFT_BP` bases late and keeps `SHORTEST_BP` bases or more, so columns are not aligned and
the composition moves with the window. Now and then a few bases are unread (N) or 60 are in lower
case, and lines are 60 to 80 letters long. No window has a stop codon in its reading frame.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modalities.dna.alphabet import Codes, decode
from modalities.dna.findings import FINDINGS
from workbench.seeding import keyed_rng

__all__ = ["ANCESTOR_BP", "BRANCHES", "FINDINGS", "lineage", "write"]

ANCESTOR_BP = 658
SHIFT_BP = 358
SHORTEST_BP = 240
OWN_MUTATIONS = 0.01
LABILE = 0.12
MIXED = 0.7
_THIRD = np.array([0.36, 0.10, 0.08, 0.46])
"""Frequencies of A, C, G, T at third positions: insect mitochondria are rich in A and T."""
_STOPS = {(3, 0, 0), (3, 0, 2)}

BRANCHES: dict[str, tuple[tuple[str, float], ...]] = {
    "Anopheles gambiae": (("Culicidae", 0.035), ("Anopheles", 0.03), ("gambiae", 0.025)),
    "Anopheles stephensi": (("Culicidae", 0.035), ("Anopheles", 0.03), ("stephensi", 0.025)),
    "Aedes aegypti": (("Culicidae", 0.035), ("Culicinae", 0.025), ("aegypti", 0.04)),
    "Culex pipiens": (("Culicidae", 0.035), ("Culicinae", 0.025), ("pipiens", 0.04)),
    "Ixodes ricinus": (("Ixodidae", 0.04), ("ricinus", 0.05)),
    "Dermacentor reticulatus": (("Ixodidae", 0.04), ("reticulatus", 0.05)),
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


@lru_cache(maxsize=1)
def _labile_sites() -> NDArray[np.int64]:
    """Return the sites (S,) that differ between individuals of every species."""
    rng = keyed_rng("dna", "labile")
    return rng.choice(ANCESTOR_BP, size=round(LABILE * ANCESTOR_BP), replace=False)


def _mend_stops(codes: Codes) -> Codes:
    """Turn TAA and TAG of the second reading frame into TTA and TTG, in place."""
    for i in range(1, len(codes) - 2, 3):
        if tuple(codes[i : i + 3].tolist()) in _STOPS:
            codes[i + 1] = 3
    return codes


def _individual(codes: Codes, rng: np.random.Generator) -> Codes:
    """Return the window that was read of one individual's own barcode."""
    codes = codes.copy()
    labile = _labile_sites()
    mixed = labile[rng.random(len(labile)) < MIXED]
    codes[mixed] = rng.integers(0, 4, size=len(mixed))
    struck = rng.random(len(codes)) < OWN_MUTATIONS
    codes[struck] = (codes[struck] + rng.integers(1, 4, size=int(struck.sum()))) % 4
    _mend_stops(codes)
    start = int(rng.integers(SHIFT_BP + 1))
    end = int(rng.integers(start + SHORTEST_BP, ANCESTOR_BP + 1))
    return codes[start:end]


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
