"""Class scores of labelled rows, read back from the predictions of a classification task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.labels import Labels, Truth, truth_of

Table = Mapping[str, Sequence[Any]]
"""Predictions: columns of equal length, one entry per row of the split, sorted by id."""


@dataclass(frozen=True)
class Answers:
    """Class scores of the rows of one split. Legend: n rows, C classes.

    Attributes:
        kind: which of several scores they are, such as "features", "values" or "values_k5"; "" where
            there is one.
        ids: n row ids, sorted.
        groups: n groups.
        scores: (n, C).
        truth: the classes.
        excluded: how many rows were left out, by reason.
    """

    kind: str
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    scores: NDArray[np.float64]
    truth: Truth
    excluded: Mapping[str, int]


def answers_of(
    table: Table, classes: Sequence[str], labels: Labels, *, excluded: Mapping[str, int]
) -> list[Answers]:
    """Return the answers of a predictions table, one entry per column of scores.

    Args:
        table: predictions of `zero_shot`, `probe`, `knn` or a task of their kind.
        classes: C class ids, in the order of the scores.
        labels: whether rows have one label or a set.
        excluded: how many rows were left out, by reason.
    """
    kept = included(table)
    ids = tuple(str(table["id"][i]) for i in kept)
    groups = tuple(str(table["group"][i]) for i in kept)
    truth = truth_of([table["label"][i] for i in kept], classes, labels)
    return [
        Answers(
            name.removeprefix("scores").lstrip("_"), ids, groups,
            np.array([column[i] for i in kept], dtype=float).reshape(len(kept), len(classes)),
            truth, excluded,
        )
        for name, column in table.items()
        if name == "scores" or name.startswith("scores_")
    ]  # fmt: skip


def included(table: Table) -> list[int]:
    """Return the places of the rows that were scored."""
    return [i for i, scored in enumerate(table.get("included", ())) if scored]
