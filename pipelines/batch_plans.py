"""Batches in which rows of a group or class meet, or never do, as a function of seed and epoch.

What "contrastive" compares is decided here as much as in the loss: a patient's other images are
easy positives or false negatives, and rows of one class are hard negatives of each other.

Legend: N usable training rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.batch import Rows, epoch_batches
from workbench.config import BatchPlan
from workbench.seeding import derive_seed


def planned_batches(
    plan: BatchPlan, ids: Sequence[str], kinds: Sequence[str | None], *, seed: int, epoch: int,
    size: int,
) -> list[Rows]:  # fmt: skip
    """Return positions into `ids`, batch by batch; every position once.

    Args:
        plan: which rows meet.
        ids: N row ids.
        kinds: N groups (apart, together), classes (per_class) or clusters; None stands alone.
        seed: the run's seed.
        epoch: epochs done.
        size: most rows of a batch.
    """
    if plan.plan == "shuffled":
        return epoch_batches(ids, seed=seed, epoch=epoch, size=size)
    order = np.concatenate(epoch_batches(ids, seed=seed, epoch=epoch, size=len(ids)))
    named = [kinds[i] if kinds[i] is not None else f"\0{ids[i]}" for i in order]
    if plan.plan == "apart":
        return _dealt(order, named, size)
    if plan.plan == "clusters":
        return _within(order, kinds, size, derive_seed(seed, "clusters", epoch))
    return _clumped(order, named, plan.per, size=size, key=derive_seed(seed, "clumps", epoch))


def _dealt(order: Rows, kinds: Sequence[str | None], size: int) -> list[Rows]:
    """Deal rows so that no kind is twice in a batch, as long as there are batches enough for it.

    The k-th row of a kind goes to round k; rounds are cut into batches, so a batch that spans two
    rounds could repeat a kind and is cut there.
    """
    seen: dict[str | None, int] = {}
    rounds: list[list[int]] = []
    for place, kind in zip(order, kinds, strict=True):
        number = seen.get(kind, 0)
        seen[kind] = number + 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(int(place))
    batches = [r[i : i + size] for r in rounds for i in range(0, len(r), size)]
    return _without_single(batches)


def _within(order: Rows, kinds: Sequence[str | None], size: int, key: int) -> list[Rows]:
    """Fill every batch from one cluster, the batches of all clusters shuffled.

    What is left of a cluster when its full batches are cut joins the rest of the next, in the order
    of their names, so no row goes untrained because its cluster is small.
    """
    members: dict[str, list[int]] = {}
    for place in order:
        members.setdefault(kinds[place] or "", []).append(int(place))
    whole, rest = [], []
    for _, rows in sorted(members.items()):
        full = len(rows) // size * size
        whole += [rows[i : i + size] for i in range(0, full, size)]
        rest += rows[full:]
    whole += [rest[i : i + size] for i in range(0, len(rest), size)]
    batches = _without_single(whole)
    return [batches[i] for i in np.random.default_rng(key).permutation(len(batches))]


def _clumped(
    order: Rows, kinds: Sequence[str | None], per: int, *, size: int, key: int
) -> list[Rows]:
    """Keep up to `per` rows of a kind together, shuffle these clumps, and cut the row into batches.

    Every epoch has the same number of batches; a clump at a cut is divided.
    """
    members: dict[str | None, list[int]] = {}
    for place, kind in zip(order, kinds, strict=True):
        members.setdefault(kind, []).append(int(place))
    clumps = [m[i : i + per] for m in members.values() for i in range(0, len(m), per)]
    shuffled = np.random.default_rng(key).permutation(len(clumps))
    row = [place for number in shuffled for place in clumps[number]]
    return _without_single([row[i : i + size] for i in range(0, len(row), size)])


def _without_single(batches: Sequence[Sequence[int]]) -> list[Rows]:
    """Leave out batches of one row, in which nothing can be compared, unless there is no other."""
    kept = [np.array(b, dtype=np.int64) for b in batches if len(b) > 1]
    return kept or [np.array(b, dtype=np.int64) for b in batches]
