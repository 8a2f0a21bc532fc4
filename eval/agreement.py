"""How well a clustering agrees with classes: AMI, NMI and ARI of weighted samples.

After Vinh, Epps and Bailey, "Information Theoretic Measures for Clusterings Comparison", JMLR 2010,
with arithmetic means, and Hubert and Arabie, "Comparing Partitions", 1985. Legend: n samples, G
groups, R replicates, D cells of the table of classes and clusters that are not empty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eval.intervals import Draws, Statistic, Weights

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]
Agreement = Literal["ami", "nmi", "ari"]


@dataclass(frozen=True)
class Table:
    """Classes against clusters, once.

    Attributes:
        cells: (D,) samples of every cell.
        row: (D,) class of the cell.
        column: (D,) cluster of the cell.
    """

    cells: Reals
    row: Ints
    column: Ints

    @property
    def margins(self) -> tuple[Reals, Reals]:
        """Samples per class, and per cluster."""
        rows, columns = (np.bincount(part, self.cells) for part in (self.row, self.column))
        return rows.astype(np.float64), columns.astype(np.float64)


def agreement(kind: Agreement, classes: Ints, clusters: Ints, *, index: Ints) -> Statistic:
    """Return one measure of (n,) classes against (n,) clusters; NaN with a single class.

    Clusters stay as they are in every replicate: only samples are drawn again.
    """
    from scipy.sparse import csr_array

    measure = _MEASURES[kind]
    pair = np.stack([classes, clusters], axis=1)
    kinds, cell = np.unique(pair, axis=0, return_inverse=True)
    shape = (len(kinds), int(index.max(initial=-1)) + 1)
    counts = csr_array((np.ones(len(pair)), (cell.reshape(-1), index)), shape=shape)

    def statistic(weights: Weights) -> Draws:
        columns = counts @ np.ascontiguousarray(weights.T, dtype=np.float64)
        tables = [Table(cells, kinds[:, 0], kinds[:, 1]) for cells in columns.T]
        values = np.array([measure(table) for table in tables])
        return values, np.array([bool((table.margins[0] > 0).all()) for table in tables])

    return statistic


def expected_nmi(classes: Ints, clusters: Ints) -> float:
    """Return the NMI that clusters of these sizes have with the classes by chance alone."""
    a, b = (np.bincount(part).astype(np.float64) for part in (classes, clusters))
    middle = (_entropy(a) + _entropy(b)) / 2
    return float(_expected(a, b) / middle) if middle > 0 else 0.0


def _information(table: Table) -> float:
    """Mutual information in nats."""
    known = table.cells > 0
    cells, total = table.cells[known], table.cells.sum()
    a, b = table.margins
    both = a[table.row[known]] * b[table.column[known]]
    return float(np.sum(cells / total * (np.log(cells) + np.log(total) - np.log(both))))


def _ami(table: Table) -> float:
    a, b = table.margins
    if (a > 0).sum() < 2:
        return float("nan")
    luck, middle = _expected(a, b), (_entropy(a) + _entropy(b)) / 2
    room = middle - luck
    return 0.0 if room <= np.finfo(float).eps else (_information(table) - luck) / room


def _nmi(table: Table) -> float:
    a, b = table.margins
    if (a > 0).sum() < 2:
        return float("nan")
    return _information(table) / ((_entropy(a) + _entropy(b)) / 2)


def _ari(table: Table) -> float:
    a, b = table.margins
    if (a > 0).sum() < 2:
        return float("nan")
    both, rows, columns = (float(np.sum(part * (part - 1)) / 2) for part in (table.cells, a, b))
    total = float(table.cells.sum())
    luck = rows * columns / (total * (total - 1) / 2)
    room = (rows + columns) / 2 - luck
    return 1.0 if room == 0 else (both - luck) / room


def _entropy(sizes: Reals) -> float:
    shares = sizes[sizes > 0] / sizes.sum()
    return float(-np.sum(shares * np.log(shares)))


def _expected(a: Reals, b: Reals) -> float:
    """Return the expected mutual information of random partitions with these sizes.

    Equal sizes give equal terms, so every pair of different sizes is worked out once.
    """
    from scipy.special import gammaln

    total = float(a.sum())
    (a, times_a), (b, times_b) = (np.unique(part[part > 0], return_counts=True) for part in (a, b))
    one, other = (part.reshape(-1) for part in np.meshgrid(a, b, indexing="ij"))
    times = np.outer(times_a, times_b).reshape(-1)
    low, high = np.maximum(1, one + other - total), np.minimum(one, other)
    sizes = (high - low + 1).astype(np.int64)
    pair = np.repeat(np.arange(len(one)), sizes)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    n = low[pair] + (np.arange(len(pair)) - starts).astype(np.float64)
    x, y = one[pair], other[pair]
    log = gammaln(np.arange(total + 2))  # log[i + 1] = log i!

    def factorial(value: Reals) -> Any:
        return log[value.astype(np.int64) + 1]

    chance = (
        factorial(x) + factorial(y) + factorial(total - x) + factorial(total - y)
        - log[int(total) + 1] - factorial(n) - factorial(x - n) - factorial(y - n)
        - factorial(total - x - y + n)
    )  # fmt: skip
    terms = n / total * (np.log(total) + np.log(n) - np.log(x) - np.log(y)) * np.exp(chance)
    return float(np.sum(times[pair] * terms))


_MEASURES: dict[Agreement, Callable[[Table], float]] = {"ami": _ami, "nmi": _nmi, "ari": _ari}
