"""Ward's clustering by chains of nearest neighbours, in memory that grows with the points alone.

Clusters are kept as centroid and weight, so no table of points x points exists. Legend: n points,
E width, A clusters still apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]
Ints = NDArray[np.int64]


def ward(points: Reals, clusters: int) -> Ints:
    """Return (n,) cluster numbers of (n, E) points, numbered in order of appearance.

    Equal points are never parted, so fewer clusters than asked for come out where fewer points
    differ. After Ward, "Hierarchical Grouping to Optimize an Objective Function", JASA 1963, and
    Murtagh, "A Survey of Recent Advances in Hierarchical Clustering Algorithms", 1983.
    """
    different, place, weight = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    merges = _merges(different, weight.astype(np.float64))
    merges.sort(key=lambda merge: merge[0])
    owner = np.arange(len(different))

    def root(item: int) -> int:
        while owner[item] != item:
            owner[item] = owner[owner[item]]
            item = int(owner[item])
        return item

    for _, one, other in merges[: max(0, len(different) - clusters)]:
        owner[root(other)] = root(one)
    found = np.array([root(item) for item in range(len(different))])[place.reshape(-1)]
    _, first, number = np.unique(found, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[number.reshape(-1)]


@dataclass
class _Apart:
    """The clusters still apart, packed together from time to time.

    Attributes:
        centre: (A, E) centroids.
        weight: (A,) points of each; 0 once it is merged into another.
        name: (A,) the point each is named after.
        height: (A,) what its last merge cost.
    """

    centre: Reals
    weight: Reals
    name: Ints
    height: Reals

    def cost(self, number: int) -> Reals:
        """Return (A,) the growth of the squared error when each joins this one."""
        away = self.centre - self.centre[number]  # the same both ways, so that chains must end
        apart = np.einsum("ae,ae->a", away, away)
        mine = self.weight[number]
        found = self.weight * mine / (self.weight + mine) * apart
        found[self.weight == 0] = np.inf
        found[number] = np.inf
        return np.asarray(found)

    def merge(self, one: int, other: int, cost: float) -> float:
        """Join one cluster to another, and return a height not below those of its parts."""
        total = self.weight[one] + self.weight[other]
        self.centre[one] += (self.centre[other] - self.centre[one]) * (self.weight[other] / total)
        self.weight[one], self.weight[other] = total, 0.0
        self.height[one] = max(cost, self.height[one], self.height[other])
        return float(self.height[one])

    def packed(self) -> tuple[_Apart, Ints]:
        """Return the clusters without those merged away, and the new number of each old one."""
        kept = self.weight > 0
        number = np.cumsum(kept) - 1
        centre, weight = self.centre[kept], self.weight[kept]
        return _Apart(centre, weight, self.name[kept], self.height[kept]), number


def _merges(points: Reals, weight: Reals) -> list[tuple[float, int, int]]:
    """Return every merge as (height, point of one, point of the other), parts before wholes."""
    count = len(points)
    apart = _Apart(points.copy(), weight.copy(), np.arange(count), np.zeros(count))
    chain: list[int] = []
    merges: list[tuple[float, int, int]] = []
    left = count
    while left > 1:
        if not chain:
            chain = [int(np.argmax(apart.weight > 0))]
        last = chain[-1]
        cost = apart.cost(last)
        near = int(cost.argmin())
        if len(chain) > 1 and cost[chain[-2]] <= cost[near]:
            one, other = sorted((last, chain[-2]))
            height = apart.merge(one, other, float(cost[chain[-2]]))
            merges.append((height, int(apart.name[one]), int(apart.name[other])))
            chain, left = chain[:-2], left - 1
            if 2 * left < len(apart.weight):
                apart, number = apart.packed()
                chain = [int(number[item]) for item in chain]
        else:
            chain.append(near)
    return merges
