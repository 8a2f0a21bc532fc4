"""Which rows of a split enter a number, and why the others do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.space import Floats, Rows, Space
from workbench.errors import Refusal, did_you_mean

ABSENT = "absent modality"
NO_LABEL = "no label"


@dataclass(frozen=True)
class Selection:
    """The rows of one split that have a vector and pass a rule, sorted by id.

    Attributes:
        ids: row ids.
        rows: (n,) numbers of these rows in the manifest.
        items: (n,) numbers of these rows among the modality's vectors.
        groups: group of each row.
        split: the split.
        left_out: (id, group, reason) of every other row of the split.
    """

    ids: tuple[str, ...]
    rows: NDArray[np.int64]
    items: NDArray[np.int64]
    groups: tuple[str, ...]
    split: str
    left_out: Sequence[tuple[str, str, str]] = ()

    @property
    def excluded(self) -> Mapping[str, int]:
        """How many rows of the split were left out, by reason."""
        return dict(sorted(Counter(reason for _, _, reason in self.left_out).items()))

    def without(self, reasons: Mapping[int, str]) -> Selection:
        """Return the selection less some of its rows, each with the reason."""
        keep = [i for i in range(len(self)) if i not in reasons]
        dropped = [(self.ids[i], self.groups[i], reasons[i]) for i in sorted(reasons)]
        return Selection(
            tuple(self.ids[i] for i in keep), self.rows[keep], self.items[keep],
            tuple(self.groups[i] for i in keep), self.split, (*self.left_out, *dropped),
        )  # fmt: skip

    def table(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """Return per-row columns as predictions: every row of the split, sorted by id."""
        lines: list[tuple[str, str, int, str | None]] = [
            (row_id, self.groups[i], i, None) for i, row_id in enumerate(self.ids)
        ]
        lines += [(row_id, group, -1, reason) for row_id, group, reason in self.left_out]
        lines.sort(key=lambda line: line[0])
        found: dict[str, list[Any]] = {
            "id": [line[0] for line in lines], "group": [line[1] for line in lines],
            "split": [self.split] * len(lines), "included": [line[2] >= 0 for line in lines],
            "reason": [line[3] for line in lines],
        }  # fmt: skip
        for name, values in columns.items():
            found[name] = [values[line[2]] if line[2] >= 0 else None for line in lines]
        return found

    def __len__(self) -> int:
        return len(self.ids)


def select(
    space: Space, modality: str, split: str, *, why_not: Callable[[int], str | None] | None = None
) -> Selection:
    """Return the rows of a split that have the modality; `why_not` names a row's other fault.

    Raises:
        Refusal: the space has no such modality.
    """
    vectors = space.vectors.get(modality)
    if vectors is None:
        raise Refusal(
            "E-CFG-022", file="pipeline", field="evaluate", found=f"modality {modality!r}",
            expected=f"one of {sorted(space.vectors)}{did_you_mean(modality, space.vectors)}",
        )  # fmt: skip
    item_of = {row_id: i for i, row_id in enumerate(vectors.ids)}
    chosen: list[tuple[str, int, int]] = []
    left_out: list[tuple[str, str, str]] = []
    for row, (row_id, row_split) in enumerate(zip(space.rows.ids, space.rows.splits, strict=True)):
        if row_split != split:
            continue
        item = item_of.get(row_id)
        reason = ABSENT if item is None else why_not(row) if why_not else None
        if reason is not None or item is None:
            left_out.append((row_id, space.rows.groups[row], reason or ABSENT))
        else:
            chosen.append((row_id, row, item))
    chosen.sort()
    rows = np.array([entry[1] for entry in chosen], dtype=np.int64)
    return Selection(
        tuple(entry[0] for entry in chosen), rows,
        np.array([entry[2] for entry in chosen], dtype=np.int64),
        tuple(space.rows.groups[row] for row in rows), split, left_out,
    )  # fmt: skip


def column(rows: Rows, name: str) -> Sequence[str | None]:
    """Return one column of the manifest.

    Raises:
        Refusal: the manifest has no such column.
    """
    if name not in rows.columns:
        raise Refusal(
            "E-CFG-021", file="manifest", field="evaluate", found=f"column {name!r}",
            expected=f"one of {sorted(rows.columns)}{did_you_mean(name, rows.columns)}",
        )  # fmt: skip
    return rows.columns[name]


def features_of(space: Space, modality: str, selection: Selection, *, by: str) -> Floats | None:
    """Return (n, W) vectors of the selected rows: shared-space "values" or encoder "features"."""
    vectors = space.vectors[modality]
    source = vectors.values if by == "values" else vectors.features
    return None if source is None else source[selection.items]
