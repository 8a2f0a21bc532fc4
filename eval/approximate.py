"""Searches a large gallery by a graph of neighbours, with the share of true neighbours it finds.

For looking at cases, when asked for; no number in `metrics.json` comes from here. After Malkov and
Yashunin, "Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical Navigable
Small World Graphs", arXiv 1603.09320. Legend: M items, Q queries, E width, K best items.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.pairs import exact_pairs
from eval.ranking import Problem, rank
from eval.scores import Cosine
from eval.ties import Ints, Reals
from workbench.errors import Refusal

Floats = NDArray[np.float32]

LINKS = 32  # neighbours of each item in the graph
EFFORT = 64  # candidates followed, at least; four a neighbour asked for
SAMPLE = 200  # queries whose true neighbours are looked up


@dataclass(frozen=True)
class Recall:
    """How many of the true K nearest were found.

    Attributes:
        share: mean over queries; an item as near as the K-th counts as found.
        queries: how many were compared with the exact search.
        k: K.
    """

    share: float
    queries: int
    k: int

    def __str__(self) -> str:
        return (
            f"approximate: found {100 * self.share:.1f} % of the true {self.k} nearest of "
            f"{self.queries} sample queries"
        )


class Graph:
    """A gallery laid out for approximate search by cosine.

    Args:
        gallery: (M, E) vectors.

    Raises:
        Refusal: faiss is not installed.
    """

    def __init__(self, gallery: Floats) -> None:
        faiss = _faiss()
        self.score = Cosine()
        self.gallery = self.score.prepare(gallery)
        self._index = faiss.IndexHNSWFlat(
            self.gallery.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT
        )  # fmt: skip
        self._index.add(self.gallery)

    def search(self, query: Floats, k: int) -> tuple[Ints, Reals]:
        """Return (Q, K) items and their exact scores, best first; -1 and NaN where none was found."""
        query = self.score.prepare(query)
        wide = max(EFFORT, 4 * k)
        self._index.hnsw.efSearch = wide
        items = np.asarray(self._index.search(query, wide)[1], dtype=np.int64)
        rows, columns = np.nonzero(items >= 0)
        exact = np.full(items.shape, -np.inf)
        pairs = np.stack([rows, items[rows, columns]], axis=1)
        exact[rows, columns] = exact_pairs(self.score, query, self.gallery, pairs=pairs)
        order = np.lexsort((items, -exact))[:, :k]
        scores = np.take_along_axis(exact, order, axis=1)
        return np.take_along_axis(items, order, axis=1), np.where(scores > -np.inf, scores, np.nan)

    def recall(self, queries: Floats, k: int, *, seed: int = 0) -> Recall:
        """Measure against the exact search on at most 200 seeded queries of (Q, E)."""
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.permutation(len(queries))[:SAMPLE])
        sample, k = self.score.prepare(queries[chosen]), min(k, len(self.gallery))
        found = self.search(sample, k)[1]
        none = [np.zeros(0, dtype=np.int64)] * len(sample)
        true = np.empty((len(sample), k))
        for part in rank(Problem(self.score, sample, self.gallery, none, none, k)):
            true[part.numbers] = part.scores
        share = float(np.mean(found >= true[:, -1:])) if true.size else float("nan")
        return Recall(share, len(sample), k)


def _faiss() -> Any:
    """Return the faiss module.

    Raises:
        Refusal: it is not installed.
    """
    try:
        return importlib.import_module("faiss")
    except ModuleNotFoundError:
        raise Refusal(
            "E-CFG-104", file="command line", field="approximate", found="faiss is not installed",
            expected="the extra [index]",
            fix="pip install 'medbio-workbench[index]', or search exactly",
        ) from None  # fmt: skip
