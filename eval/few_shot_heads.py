"""Heads that learn from a few examples, and the seeded draws of these.

Legend: n queries, m examples, C classes, E width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eval.labels import Truth
from eval.logistic import Regression, quality
from eval.scores.cosine import DECIMALS, unit
from eval.space import Floats
from workbench.seeding import keyed_rng

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Part = tuple[Floats, Truth]

NOISE = 1e-6  # relative length below which a centred vector is rounding of one that is equal
STEPS = 10


class Head(Protocol):
    """Something that learns from examples and scores queries."""

    notes: list[str]

    def scores(self, train: Part, val: Part, test: Floats) -> Reals:
        """Return (n, C) class scores of the queries."""
        ...


@dataclass
class NearestMean:
    """The nearest class mean after centring by the mean of the examples and normalising.

    After Wang et al., "SimpleShot", 2019 (arXiv 1911.04623).
    """

    notes: list[str] = field(default_factory=list)

    def scores(self, train: Part, val: Part, test: Floats) -> Reals:
        """Return (n, C) negative squared distances to the class means."""
        del val
        examples, truth = train
        centre = examples.mean(axis=0, dtype=np.float64)
        means = class_means(_centred(examples, centre), truth)
        query = _centred(test, centre)
        cross = query @ means.T
        apart = (query**2).sum(axis=1)[:, None] - 2 * cross + (means**2).sum(axis=1)[None]
        return np.asarray(-np.round(apart, DECIMALS))


@dataclass
class PromptsAndMean:
    """The cosine to a weighted mean of prompt vector and class mean, both of length one.

    Attributes:
        prompts: (C, E) prompt vectors of the classes.
        notes: what to flag.
        chosen: the weight of the prompts that validation preferred, once scored.
    """

    prompts: Reals
    notes: list[str] = field(default_factory=list)
    chosen: float = 0.5

    def scores(self, train: Part, val: Part, test: Floats) -> Reals:
        """Return (n, C) cosines; the largest weight of the prompts wins among equals."""
        means = unit(class_means(unit(train[0]), train[1]))
        best = -np.inf
        weights = [step / STEPS for step in range(STEPS, -1, -1)]
        if len(val[0]) == 0:
            self.notes.append("weight-not-selected")
            weights = []
        for weight in weights:
            value = quality(self._mixed(val[0], means, weight), val[1])
            if value > best:
                best, self.chosen = value, weight
        return self._mixed(test, means, self.chosen)

    def _mixed(self, query: Floats, means: Reals, weight: float) -> Reals:
        anchors = unit(weight * unit(self.prompts) + (1 - weight) * means)
        return np.asarray(np.round(unit(query) @ anchors.T, DECIMALS))


def probe(strengths: tuple[float, ...], iterations: int, seed: int) -> Head:
    """Return the logistic regression of the `probe` task."""
    return Regression(strengths, iterations, seed)


def class_means(vectors: Reals, truth: Truth) -> Reals:
    """Return (C, E) means of the (m, E) vectors of each class; every class must occur."""
    return np.asarray((truth.table.T @ vectors) / truth.table.sum(axis=0)[:, None])


def support(
    labels: Ints,
    groups: Sequence[str],
    classes: Sequence[str],
    *,
    shots: int,
    key: Sequence[object],
) -> Ints:
    """Return the numbers of the examples of one draw: `shots` groups per class, a row of each.

    The draw of a class depends on the key, its name and its own groups alone; more shots add to
    fewer. A class with fewer groups gives one row of each.

    Args:
        labels: (m,) class numbers of the training rows.
        groups: their groups.
        classes: C class names.
        shots: examples per class.
        key: seed and number of the draw.
    """
    chosen: list[int] = []
    for number, name in enumerate(classes):
        rows: dict[str, list[int]] = {}
        for row in np.flatnonzero(labels == number):
            rows.setdefault(groups[int(row)], []).append(int(row))
        rng = keyed_rng("few_shot", *key, name)
        order = sorted(rows)
        picks = [order[i] for i in rng.permutation(len(order))]
        drawn = [rows[group][int(rng.integers(len(rows[group])))] for group in picks]
        chosen += drawn[:shots]
    return np.array(sorted(chosen), dtype=np.int64)


def _centred(vectors: Floats, centre: Reals) -> Reals:
    """Return vectors less the centre, of length one; zero where they are the centre."""
    moved = vectors.astype(np.float64) - centre
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    scale = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return unit(np.where(length > NOISE * scale, moved, 0.0))
