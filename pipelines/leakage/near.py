"""Near-copies in two splits: candidates by shared keys at linear cost, then measured one by one.

Every sample is compared with its next `REACH` neighbours under each key and measured against at
most `MEASURED` of those, so that twice the samples cost twice the time however many are alike.
Legend: n samples, K keys, P pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipelines.leakage.checks import Check, Pair, Verdict
from pipelines.leakage.contents import labels_of
from pipelines.leakage.seen import Seen
from pipelines.plan import Plan
from pipelines.prints import Prints
from workbench.fingerprint import NEAR_BITS
from workbench.manifest import Manifest

Ints = NDArray[np.int64]

REACH = 4
MEASURED = 3
KEPT = 64


def check_near(plan: Plan, manifest: Manifest, seen: Seen) -> list[Check]:
    """Return what is nearly equal across splits, and, for files, across groups of one split."""
    part, key = seen.part, seen.part.key
    name = f"near-equal {key} in two splits"
    off = plan.pipeline.leakage.near == "off"
    if off or (len(seen.rows) and not seen.prints.keys.shape[1]):
        why = "leakage.near: off" if off else "this modality has no fingerprints"
        return [Check(name, field=f"{key} near-copies", code="E-MAN-004", verdict="note",
                      remark=f"not looked for: {why}", looked=False)]  # fmt: skip
    pairs, crowded = near_pairs(seen, manifest)
    limit = f"alike from {part.modality.near_at:g}"
    remark = (
        f"{limit}; {crowded} samples had more candidates than were measured" if crowded else limit
    )
    apart = [p for p in pairs if manifest.splits[p.a] != manifest.splits[p.b]]
    fix = "Mend the splits, or see leakage.near and leakage.strict."
    checks = [
        Check(name, field=f"{key} near-copies", code="E-MAN-004", verdict=_verdict(plan, seen),
              found=len(apart), pairs=apart, remark=remark, fix=fix)
    ]  # fmt: skip
    if part.modality.spec.cell == "path":
        name = f"near-equal {key} in two groups of a split"
        inside = [p for p in pairs if manifest.splits[p.a] == manifest.splits[p.b]]
        checks.append(Check(name, field=f"{key} near-copies", code="E-MAN-004", verdict="flag",
                            found=len(inside), pairs=inside, remark=limit))  # fmt: skip
    return checks


def near_pairs(seen: Seen, manifest: Manifest) -> tuple[list[Pair], int]:
    """Return the pairs of different groups that are near, and how many samples were crowded.

    Equal contents have a check of their own: one of them per split stands for all.
    """
    homes = [(manifest.splits[r], manifest.groups[r]) for r in seen.rows.tolist()]
    labels = labels_of(seen)
    kept = _representatives(labels, [split for split, _ in homes])
    split_of, group_of = (_numbers([home[i] for home in homes])[kept] for i in (0, 1))
    within = seen.part.modality.spec.cell == "path"
    pairs, shared = candidates(seen.prints.rows(kept))
    a, b = pairs
    differ = (labels[kept][a] != labels[kept][b]) & (group_of[a] != group_of[b])
    differ &= within | (split_of[a] != split_of[b])
    a, b, shared = a[differ], b[differ], shared[differ]
    chosen, crowded = _most_alike(a, b, shared)
    options, modality = seen.part.options, seen.part.modality
    sample = lru_cache(maxsize=KEPT)(seen.sample)
    found: list[Pair] = []
    for one, other in sorted((int(kept[a[i]]), int(kept[b[i]])) for i in chosen):
        likeness = modality.near(sample(one), sample(other), options)
        if likeness >= modality.near_at:
            found.append(Pair(int(seen.rows[one]), int(seen.rows[other]), likeness))
    return found, crowded


def candidates(prints: Prints) -> tuple[tuple[Ints, Ints], Ints]:
    """Return (P,) and (P,) places that share a key, each pair once, and how many keys they share.

    Under each key the samples are sorted by it and by the next key, and each meets its `REACH`
    successors; codes that differ in more than `NEAR_BITS` bits are passed over.
    """
    count, width = prints.keys.shape
    found: list[NDArray[np.uint64]] = []
    for k in range(width if count else 0):
        order = np.lexsort((prints.keys[:, (k + 1) % width], prints.keys[:, k]))
        ranked = prints.keys[order, k]
        for step in range(1, min(REACH, count - 1) + 1):
            same = np.flatnonzero(ranked[step:] == ranked[:-step])
            one, other = order[same], order[same + step]
            if prints.codes is not None:
                close = np.bitwise_count(prints.codes[one] ^ prints.codes[other]) <= NEAR_BITS
                one, other = one[close], other[close]
            low, high = np.minimum(one, other), np.maximum(one, other)
            found.append(low.astype(np.uint64) * np.uint64(count) + high.astype(np.uint64))
    joined = np.concatenate(found) if found else np.zeros(0, dtype=np.uint64)
    coded, shared = np.unique(joined, return_counts=True)
    size = np.uint64(max(count, 1))
    return ((coded // size).astype(np.int64), (coded % size).astype(np.int64)), shared


def _most_alike(a: Ints, b: Ints, shared: Ints) -> tuple[list[int], int]:
    """Choose pairs, those with most keys in common first, at most `MEASURED` for a sample."""
    used: Counter[int] = Counter()
    chosen: list[int] = []
    left_out: set[int] = set()
    for i in np.argsort(-shared, kind="stable").tolist():
        one, other = int(a[i]), int(b[i])
        if used[one] < MEASURED or used[other] < MEASURED:
            used[one] += 1
            used[other] += 1
            chosen.append(i)
        else:
            left_out |= {one, other}
    return chosen, len(left_out)


def _representatives(labels: Ints, splits: Sequence[str]) -> Ints:
    """Return the places of the first sample of every content in every split."""
    first: dict[tuple[int, str], int] = {}
    for place, key in enumerate(zip(labels.tolist(), splits, strict=True)):
        first.setdefault(key, place)
    return np.array(sorted(first.values()), dtype=np.int64)


def _numbers(names: Sequence[str]) -> Ints:
    """Return a number for every name, equal where the names are."""
    known = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([known[name] for name in names], dtype=np.int64)


def _verdict(plan: Plan, seen: Seen) -> Verdict:
    config = plan.pipeline.leakage
    if config.strict or config.near == "refuse":
        return "refuse"
    return "note" if seen.part.modality.repeats else "flag"
