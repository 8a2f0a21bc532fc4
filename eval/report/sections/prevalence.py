"""How common each label is in each split, and how far splits differ: tables for sections 4 and 14."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eval.report.blocks import Block, Table
from eval.report.wording import count, number

Counts = Mapping[str, Mapping[str, int]]

MISSING = "missing"
MOST_VALUES = 40
OPEN_VALUES = 15


def prevalences(labels: Mapping[str, Counts]) -> Iterable[Block]:
    """Yield one table per label: rows and share of every value in every split, missing shown."""
    for label, splits in labels.items():
        totals = _totals(splits)
        values = sorted(totals, key=lambda name: (name == MISSING, -totals[name], name))
        rows = tuple(
            (value, *(_share(splits[split], value) for split in splits))
            for value in values[:MOST_VALUES]
        )
        note = "Rows, and their share of the split."
        if len(values) > MOST_VALUES:
            note += f" The {MOST_VALUES} most frequent of {count(len(values))} values."
        numeric = frozenset(range(1, len(splits) + 1))
        yield Table(f"Rows by {label}", (label, *splits), rows, numeric,
                    len(rows) > OPEN_VALUES, note)  # fmt: skip


def shifts(labels: Mapping[str, Counts]) -> Iterable[Block]:
    """Yield how far the shares of labels lie apart between the training split and the others.

    The distance is total variation, half the sum of absolute differences of shares: 0 for equal
    shares, 1 for none in common. Rows without a label are left out.
    """
    lines = [
        (label, split, number(apart), f"{value} {change:+.3f}")
        for label, splits in labels.items()
        for split in splits
        if split != "train" and "train" in splits
        for apart, value, change in [_apart(splits["train"], splits[split])]
    ]
    if lines:
        columns = ("label", "split against train", "distance", "largest change of a share")
        note = (
            "Distance: total variation of the label shares, 0 for equal, 1 for nothing in common. "
            "Rows without the label are left out."
        )
        yield Table("Label shift", columns, tuple(lines), frozenset({2}), note=note)


def _apart(one: Mapping[str, int], other: Mapping[str, int]) -> tuple[float, str, float]:
    """Return the distance of two splits, and the value whose share changes most."""
    sums = [max(sum(n for name, n in part.items() if name != MISSING), 1) for part in (one, other)]
    names = sorted({*one, *other} - {MISSING})
    changes = {n: other.get(n, 0) / sums[1] - one.get(n, 0) / sums[0] for n in names}
    if not changes:
        return 0.0, "", 0.0
    most = max(changes, key=lambda name: (abs(changes[name]), name))
    return sum(map(abs, changes.values())) / 2, most, changes[most]


def _share(split: Mapping[str, int], value: str) -> str:
    total = sum(split.values())
    return f"{count(split.get(value, 0))} ({number(split.get(value, 0) / total)})" if total else "0"


def _totals(splits: Counts) -> dict[str, int]:
    totals: dict[str, int] = {}
    for split in splits.values():
        for value, n in split.items():
            totals[value] = totals.get(value, 0) + n
    return totals
