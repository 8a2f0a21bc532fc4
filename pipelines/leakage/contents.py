"""Equal contents in two splits: decoded arrays, normalised texts, cleaned sequences.

Legend: n samples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipelines.leakage.checks import Check, Verdict, crossing
from pipelines.leakage.seen import Seen
from pipelines.plan import Plan
from workbench.manifest import Manifest

Ints = NDArray[np.int64]


def check_contents(plan: Plan, manifest: Manifest, seen: Seen) -> list[Check]:
    """Return what is equal across splits, and, for files, across groups of one split."""
    part = seen.part
    labels = labels_of(seen)
    keys = list(zip(seen.rows.tolist(), labels.tolist(), strict=True))
    found, pairs = crossing(keys, manifest.splits)
    verdict, remark = _verdict(plan, seen)
    remark = remark if found else ""
    checks = [
        Check(
            f"equal {part.key} content in two splits", field=f"{part.key} contents",
            code="E-MAN-004", verdict=verdict, found=found, pairs=pairs, remark=remark,
            fix="Mend the splits, or set manifest.duplicates: flag.",
        )
    ]  # fmt: skip
    if part.modality.spec.cell == "path":
        inside = ((row, (manifest.splits[row], label)) for row, label in keys)
        found, pairs = crossing(inside, manifest.groups)
        name = f"equal {part.key} content in two groups of a split"
        checks.append(
            Check(name, field=f"{part.key} contents", code="E-MAN-004", verdict=_flagged(plan),
                  found=found, pairs=pairs)
        )  # fmt: skip
    return checks


def labels_of(seen: Seen) -> Ints:
    """Return (n,) a number that equal contents share: the place of the first of them.

    Samples are equal whose arrays are equal, or whose fingerprints name the same content.
    """
    labels = np.arange(len(seen.rows), dtype=np.int64)

    def root(place: int) -> int:
        while labels[place] != place:
            labels[place] = labels[labels[place]]
            place = int(labels[place])
        return place

    for names in (seen.digests, seen.prints.contents):
        first: dict[str, int] = {}
        for place, name in enumerate(names):
            if name:
                a, b = root(first.setdefault(name, place)), root(place)
                labels[max(a, b)] = min(a, b)
    return np.array([root(i) for i in range(len(labels))], dtype=np.int64)


def _verdict(plan: Plan, seen: Seen) -> tuple[Verdict, str]:
    if plan.pipeline.leakage.strict:
        return "refuse", ""
    if seen.part.modality.repeats:
        return "note", "ordinary in this modality; a search prints its novel queries apart"
    if plan.pipeline.manifest.duplicates == "flag":
        return "flag", "allowed by manifest.duplicates: flag"
    return "refuse", ""


def _flagged(plan: Plan) -> Verdict:
    return "refuse" if plan.pipeline.leakage.strict else "flag"
