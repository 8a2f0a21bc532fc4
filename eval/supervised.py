"""Runs a learner fitted on one split over another, and writes its classification rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from eval.classify import confusion, multi_label, single_label, worst_errors
from eval.labels import Labels, Truth, fault, parts, truth_of
from eval.rows import Sheet, config_digest, resampler, sheet
from eval.selection import Selection, column, features_of, select
from eval.space import Floats, Space
from eval.task import Context, Metric, Result

Reals = NDArray[np.float64]


class Learner(Protocol):
    """Something that learns from training rows and scores others."""

    notes: list[str]

    def scores(self, train: tuple[Floats, Truth], val: tuple[Floats, Truth], test: Floats) -> Reals:
        """Return (n, C) class scores of the test rows."""
        ...


def measure(
    space: Space, options: Any, context: Context, *, task: str, kinds: Sequence[str],
    learner: Callable[[Any], Learner],
) -> Result:  # fmt: skip
    """Return the rows of one learner for every kind of vector ("features", "values")."""
    cells = column(space.rows, options.label)
    train, val, test, classes = split_parts(space, options, cells)
    truths = [
        truth_of(
            [cells[row] for row in part.rows], classes, options.labels, uncertain=options.uncertain
        )
        for part in (train, val, test)
    ]
    shared = {
        "task": task, "query": options.query, "label": options.label, "split": options.split,
        "model": space.model, "score": "cosine" if task == "knn" else None,
        "gallery_size": len(train), "n_excluded": test.excluded,
        "config_digest": config_digest(options, context),
    }  # fmt: skip
    replicates = resampler(test.groups, context)
    rows: list[Metric] = []
    columns: dict[str, Sequence[Any]] = {"label": truths[2].words()}
    extras: dict[str, Any] = {"classes": list(classes)}
    for kind in kinds:
        page = sheet(replicates, **shared, pool=kind)
        vectors = [features_of(space, options.query, part, by=kind) for part in (train, val, test)]
        reason = _why_not(vectors, classes)
        known = [part for part in vectors if part is not None]
        if reason is not None:
            page.add_value("accuracy", None, reason=reason, average="macro", k=1)
            rows += page.rows
            continue
        one = learner(kind)
        scores = one.scores((known[0], truths[0]), (known[1], truths[1]), known[2])
        _fill(page, scores, truths[2], options=options, notes=one.notes)
        rows += page.rows
        columns[f"scores_{kind}"] = [[float(v) for v in line] for line in scores]
        columns[f"prediction_{kind}"] = [classes[i] for i in scores.argmax(axis=1)]
        extras |= {
            "confusion": confusion(scores, truths[2]),
            "errors": worst_errors(scores, truths[2], test.ids),
        }
    return Result(rows, test.table(columns), extras)


def split_parts(
    space: Space, options: Any, cells: Sequence[str | None]
) -> tuple[Selection, Selection, Selection, tuple[str, ...]]:
    """Return train, validation and test rows, and the classes that training rows show.

    Options without `labels` have one label per row.
    """
    train_split = getattr(options, "train_split", None) or options.gallery_split
    labels: Labels = getattr(options, "labels", "single")
    every = {part.rstrip("?") for cell in cells for part in parts(cell)}
    train = select(space, options.query, train_split, why_not=fault(cells, tuple(every), labels))
    shown = {part for row in train.rows for part in parts(cells[row]) if not part.endswith("?")}
    classes = tuple(sorted(shown))
    why_not = fault(cells, classes, labels)
    val = select(space, options.query, getattr(options, "val_split", "val"), why_not=why_not)
    return train, val, select(space, options.query, options.split, why_not=why_not), classes


def _why_not(vectors: Sequence[Floats | None], classes: Sequence[str]) -> str | None:
    """Say why nothing can be learned, if so."""
    if any(part is None for part in vectors):
        return "these vectors were not kept"
    if len(classes) < 2:
        return f"{len(classes)} classes among the training rows, at least 2 needed"
    empty = vectors[2] is None or len(vectors[2]) == 0
    return "no row is left" if empty else None


def _fill(page: Sheet, scores: Reals, truth: Truth, *, options: Any, notes: Sequence[str]) -> None:
    """Add the rows of one kind of vector, with what the learner noted."""
    page = Sheet({**page.shared, "flags": tuple(dict.fromkeys(notes))}, page.resampler, page.rows)
    if truth.single is not None:
        single_label(page, scores, truth, ks=(1,))
    else:
        multi_label(page, scores, truth, least=options.min_positives)
