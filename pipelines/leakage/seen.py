"""What the audit sees of a modality: digests and fingerprints, and a sample when it asks for one.

Legend: n samples, K keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines import decode, prints, rows
from pipelines.decode import Decoded
from pipelines.plan import Part, Plan
from pipelines.prints import Prints
from workbench.fingerprint import Fingerprint
from workbench.manifest import Manifest
from workbench.modality import Sample, Source


@dataclass(frozen=True)
class Seen:
    """The samples of one modality.

    Attributes:
        part: the modality.
        rows: (n,) manifest positions, ascending.
        digests: n digests of the decoded arrays.
        prints: n fingerprints.
        sample: from a place among the n to the sample.
    """

    part: Part
    rows: NDArray[np.int64]
    digests: tuple[str, ...]
    prints: Prints
    sample: Callable[[int], Sample]


def of_decoded(plan: Plan, decoded: Mapping[str, Decoded], folder: Path) -> list[Seen]:
    """Return what a run decoded into `folder`, without what is made from columns."""
    return [
        Seen(part, decoded[key].rows, decoded[key].digests, prints.load(folder / key),
             decoded[key].sample)
        for key, part in plan.parts.items()
        if part.config.template is None
    ]  # fmt: skip


def of_manifest(plan: Plan, manifest: Manifest) -> list[Seen]:
    """Return what every file of a manifest holds, without keeping or writing any of it."""
    return [
        _streamed(part, manifest) for part in plan.parts.values() if part.config.template is None
    ]


def _streamed(part: Part, manifest: Manifest) -> Seen:
    """Decode every cell once; a sample that is asked for later is decoded again."""
    cells = rows.cells(part, manifest)
    found: list[int] = []
    digests: list[str] = []
    marks: list[Fingerprint] = []
    for outcome in decode.outcomes(part, cells, manifest):
        if outcome.sample is not None:
            found.append(outcome.row)
            digests.append(decode.array_digest(outcome.sample))
            marks.append(outcome.fingerprint)

    def sample(place: int) -> Sample:
        source = Source(cells[found[place]] or "", manifest.root)
        return part.modality.read(source, part.options)

    at = np.array(found, dtype=np.int64)
    return Seen(part, at, tuple(digests), prints.stacked(marks), sample)
