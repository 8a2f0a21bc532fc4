"""Numbers that predictions alone give: rows of outcomes, and how they become one value.

Legend: n rows, L labels, G groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eval.answers import Answers, Table, answers_of, included
from eval.areas import macro_area, usable_labels
from eval.classify import top_k
from eval.intervals import Draws, Statistic, Weights
from eval.task import Metric
from eval.weighted import macro_mean, mean

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
How = Literal["mean", "macro", "auroc", "auprc"]

CLASSIFIED = ("zero_shot", "probe", "knn")
SEARCHED = ("hit", "recall", "precision", "ndcg", "map", "mrr", "map_at_r")


@dataclass(frozen=True)
class Measure:
    """One number and the rows it is made of.

    Attributes:
        place: the columns of a metric row that say which number this is.
        ids: n row ids, sorted.
        groups: n groups.
        how: mean of outcomes, macro mean over classes, or macro area over labels.
        values: (n,) outcomes, or (n, L) scores of an area.
        truth: (n,) class numbers of a macro mean, (n, L) labels of an area.
        sides: (n,) what each row was measured against, such as "labels" or gallery sizes.
    """

    place: Mapping[str, Any]
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    how: How
    values: Reals
    truth: Reals
    sides: tuple[str, ...]

    @property
    def name(self) -> str:
        """The metric in words, such as "hit@5 ecg > report" or "accuracy (macro) ecg"."""
        at = self.place
        metric = str(at["metric"]) + ("" if at.get("k") is None else f"@{at['k']}")
        average = f" ({at['average']})" if at.get("average") else ""
        sides = " > ".join(str(at[key]) for key in ("query", "gallery") if at.get(key))
        rest = [str(at[key]) for key in ("label", "pool") if at.get(key)]
        return " ".join([metric + average, sides, *rest]).strip()

    def statistic(self, rows: Ints, index: Ints) -> Statistic:
        """Return the number of some rows as a function of group weights.

        Args:
            rows: which of the n rows.
            index: the group of each of them; weights may have more groups.
        """
        values, truth = self.values[rows], self.truth[rows]
        if self.how == "mean":
            found = mean(values, index)
        elif self.how == "macro":
            found = macro_mean(values, truth.astype(np.int64), index)
        else:
            found = macro_area(self.how, values, truth, index=index)
        width = int(index.max(initial=-1)) + 1

        def statistic(weights: Weights) -> Draws:
            return found(weights[:, :width])

        return statistic

    def joined(self, other: Measure) -> Measure:
        """Return the rows of this measure, then those of another over the same rows.

        Scores become ranks within each model, so that rows of both can be told apart and swapped.
        """
        values = [part.values if part.how in ("mean", "macro") else _ranks(part.values)
                  for part in (self, other)]  # fmt: skip
        return Measure(
            self.place, self.ids + other.ids, self.groups + other.groups, self.how,
            np.concatenate(values), np.concatenate([self.truth, other.truth]),
            self.sides + other.sides,
        )  # fmt: skip


def measures_of(
    task: str, table: Table, options: Mapping[str, Any], *, classes: Sequence[str] | None
) -> list[Measure]:
    """Return the numbers of a search or of a classification; nothing for tasks of another kind.

    Args:
        task: registry name.
        table: its predictions.
        options: its options.
        classes: class ids in the order of the scores, of a classification.
    """
    if task == "retrieval":
        return of_search(table, {"relation": options["relation"]})
    if task not in CLASSIFIED or classes is None:
        return []
    anchor = options.get("anchor")
    place = {"query": options["query"], "gallery": anchor, "label": options["label"]}
    least = int(options.get("min_positives", 1))
    return [
        measure
        for found in answers_of(table, classes, options["labels"], excluded={})
        for measure in of_answers(found, place, least=least)
    ]


def row_of(measure: Measure, rows: Sequence[Metric]) -> Metric | None:
    """Return the row, among those that the task itself wrote, that holds this number."""
    for row in rows:
        pool = None if row.pool == "all" else row.pool
        if all(
            (pool if key == "pool" else getattr(row, key)) == value
            for key, value in measure.place.items()
        ):
            return row
    return None


def of_answers(found: Answers, place: Mapping[str, Any], *, least: int = 1) -> list[Measure]:
    """Return accuracy and AUROC of single labels, or AUROC and AUPRC of label sets.

    Args:
        found: class scores.
        place: query, label and the like.
        least: fewest positives and negatives of a label that is measured.
    """
    truth, sides = found.truth, tuple(found.truth.words())
    pool, neighbours = _kind(found.kind)

    def measure(how: How, values: Reals, true: Reals, **columns: Any) -> Measure:
        k = 1 if neighbours is None and columns["metric"] == "accuracy" else neighbours
        at = {**place, "pool": pool, "k": k, **columns}
        return Measure(at, found.ids, found.groups, how, values, true, sides)

    used = usable_labels(truth.table, 1 if truth.single is not None else least)
    areas: tuple[How, ...] = ("auroc", "auprc")
    scored = [
        measure(kind, found.scores[:, used], truth.table[:, used], metric=kind, average="macro")
        for kind in areas
        if used
    ]
    if truth.single is not None:
        if len(found.ids) == 0:
            return []
        hits, classes = top_k(found.scores, truth.single, 1), truth.single.astype(float)
        return [
            measure("macro", hits, classes, metric="accuracy", average="macro"),
            measure("mean", hits, classes, metric="accuracy", average="micro"),
            *scored,
        ]
    return scored + [
        measure(kind, found.scores[:, [i]], truth.table[:, [i]], metric=kind,
                label=f"{place.get('label')}={truth.classes[i]}")
        for i in used for kind in areas
    ]  # fmt: skip


def of_search(table: Table, place: Mapping[str, Any]) -> list[Measure]:
    """Return every metric of a retrieval, each direction by itself.

    Args:
        table: predictions of `retrieval`.
        place: relation and the like; query and gallery are read from the table.
    """
    kept = included(table)
    found: list[Measure] = []
    for query, gallery in sorted({(table["query"][i], table["gallery"][i]) for i in kept}):
        rows = [i for i in kept if (table["query"][i], table["gallery"][i]) == (query, gallery)]
        ids, groups = (tuple(str(table[key][i]) for i in rows) for key in ("id", "group"))
        sides = tuple(f"{table['n_positive'][i]} of {table['gallery_size'][i]}" for i in rows)
        for column in table:
            metric, _, k = column.partition("@")
            if metric not in SEARCHED:
                continue
            values = np.array([_missed(table, column, i) for i in rows], dtype=float)
            at = {**place, "query": query, "gallery": gallery, "metric": metric,
                  "k": int(k) if k else None, "average": "micro"}  # fmt: skip
            found.append(Measure(at, ids, groups, "mean", values, np.zeros(len(rows)), sides))
    return found


def _kind(kind: str) -> tuple[str | None, int | None]:
    """Return which vectors a kind of score comes from, and how many neighbours voted.

    >>> _kind("values_k5"), _kind("features"), _kind("")
    (('values', 5), ('features', None), (None, None))
    """
    vectors, _, k = kind.partition("_k")
    return vectors or None, int(k) if k else None


def _missed(table: Table, column: str, row: int) -> float:
    """Return an outcome; a query that was kept without any positive is a miss."""
    value = table[column][row]
    if value is None:
        return 0.0 if table["n_positive"][row] == 0 else float("nan")
    return float(value)


def _ranks(scores: Reals) -> Reals:
    """Return (n, L) average ranks within each column, as shares of n."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(scores, axis=0) / max(1, len(scores)))
