"""The truth of classification: which class, or which of several labels, each row has.

Legend: n rows, C classes or labels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eval.selection import NO_LABEL

Labels = Literal["single", "multi"]
Uncertain = Literal["exclude", "positive", "negative"]

UNKNOWN = "label without class"
SEVERAL = "several labels"


@dataclass(frozen=True)
class Truth:
    """The classes of n rows.

    Attributes:
        classes: C class ids.
        single: (n,) class numbers where every row has one label; None for label sets.
        table: (n, C) 1 where the row has the label, 0 where not, NaN where it is masked.
    """

    classes: tuple[str, ...]
    single: NDArray[np.int64] | None
    table: NDArray[np.float64]

    def words(self) -> list[str]:
        """Return each row's labels as text, joined by "|"; a masked one ends in "?"."""
        if self.single is not None:
            return [self.classes[i] for i in self.single]
        return [
            "|".join(
                self.classes[i] + ("" if row[i] == 1 else "?") for i in np.flatnonzero(row != 0)
            )
            for row in self.table
        ]


def parts(cell: str | None) -> tuple[str, ...]:
    """Return the labels of one cell, which joins them by "|".

    >>> parts("NORM|AFIB")
    ('NORM', 'AFIB')
    """
    if cell is None:
        return ()
    return tuple(dict.fromkeys(part.strip() for part in cell.split("|") if part.strip()))


def fault(
    cells: Sequence[str | None], classes: Sequence[str], labels: Labels
) -> Callable[[int], str | None]:
    """Return the function that says why a manifest row has no usable label."""
    known = frozenset(classes)

    def why_not(row: int) -> str | None:
        found = parts(cells[row])
        if not found:
            return NO_LABEL
        if labels == "multi":
            return None
        if len(found) > 1:
            return SEVERAL
        return None if found[0] in known else UNKNOWN

    return why_not


def truth_of(
    cells: Sequence[str | None], classes: Sequence[str], labels: Labels, *,
    uncertain: Uncertain = "exclude",
) -> Truth:  # fmt: skip
    """Return the truth of rows whose cells passed `fault`.

    A label that ends in "?" is uncertain: masked, or read as present or absent.
    """
    number = {name: i for i, name in enumerate(classes)}
    table = np.zeros((len(cells), len(classes)))
    doubt = {"exclude": np.nan, "positive": 1.0, "negative": 0.0}[uncertain]
    for row, cell in enumerate(cells):
        for part in parts(cell):
            if part in number:
                table[row, number[part]] = 1.0
            elif part.endswith("?") and part[:-1].strip() in number:
                table[row, number[part[:-1].strip()]] = doubt
    single = np.argmax(table, axis=1).astype(np.int64) if labels == "single" else None
    return Truth(tuple(classes), single, table)
