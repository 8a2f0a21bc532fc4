"""Keeps the fingerprints of a modality's samples beside them, for the leakage audit.

Legend: n samples, K keys.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.files import atomic_write
from workbench.fingerprint import Fingerprint, Keys

KEYS, CODES, CONTENTS = "print-keys.bin", "print-codes.bin", "prints.json"


@dataclass(frozen=True)
class Prints:
    """Fingerprints in the order of the samples.

    Attributes:
        keys: (n, K) keys; K is 0 where near-copies are not looked for.
        codes: (n,) codes; None where the keys are all there is.
        contents: n digests of contents, "" where the array says it all.
    """

    keys: Keys
    codes: Keys | None
    contents: tuple[str, ...]

    def rows(self, places: NDArray[np.int64]) -> Prints:
        """Return the fingerprints at some places."""
        codes = None if self.codes is None else self.codes[places]
        return Prints(self.keys[places], codes, tuple(self.contents[i] for i in places))


def stacked(found: Sequence[Fingerprint]) -> Prints:
    """Return fingerprints as arrays."""
    width = max((len(f.keys) for f in found), default=0)
    keys = np.array([f.keys for f in found], dtype=np.uint64).reshape(len(found), width)
    known = [f.code for f in found if f.code is not None]
    codes = np.array(known, dtype=np.uint64) if len(known) == len(found) else None
    return Prints(keys, codes, tuple(f.content for f in found))


def save(folder: Path, found: Sequence[Fingerprint]) -> None:
    """Write fingerprints into a folder."""
    prints = stacked(found)
    atomic_write(folder / KEYS, prints.keys.tobytes())
    atomic_write(folder / CODES, b"" if prints.codes is None else prints.codes.tobytes())
    known = {"keys": prints.keys.shape[1], "codes": prints.codes is not None}
    atomic_write(folder / CONTENTS, json.dumps({**known, "contents": prints.contents}).encode())


def saved(folder: Path) -> bool:
    """Whether a folder holds fingerprints."""
    return (folder / CONTENTS).is_file()


def load(folder: Path) -> Prints:
    """Return what `save` wrote."""
    known = json.loads((folder / CONTENTS).read_text())
    contents = tuple(known["contents"])
    keys = np.fromfile(folder / KEYS, np.uint64).reshape(len(contents), known["keys"])
    codes = np.fromfile(folder / CODES, np.uint64) if known["codes"] else None
    return Prints(keys, codes, contents)
