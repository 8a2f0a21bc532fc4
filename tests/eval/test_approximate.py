"""Approximate search: refused without faiss, its recall measured, its scores exact."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from eval.approximate import SAMPLE, Graph
from workbench.errors import Refusal


def vectors(count, seed=0, width=16):
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


class Lossy:
    """Stands in for faiss: an exact index that never finds the first `lost` items."""

    lost = 0

    def __init__(self, width, links, metric):
        self.hnsw, self.items = SimpleNamespace(efSearch=0), np.zeros((0, width), np.float32)

    def add(self, items):
        self.items = items

    def search(self, query, count):
        table = query @ self.items.T
        table[:, : self.lost] = -np.inf
        order = np.argsort(-table, axis=1)[:, :count]
        scores = np.take_along_axis(table, order, axis=1)
        order = np.where(np.isfinite(scores), order, -1)
        gap = np.full((len(query), max(0, count - order.shape[1])), -1)
        return None, np.concatenate([order, gap], axis=1)


@pytest.fixture
def lossy(monkeypatch):
    module = ModuleType("faiss")
    module.IndexHNSWFlat, module.METRIC_INNER_PRODUCT = Lossy, 0
    monkeypatch.setitem(sys.modules, "faiss", module)
    return lambda lost: monkeypatch.setattr(Lossy, "lost", lost)


def test_without_faiss_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(Refusal, match=r"medbio-workbench\[index\]"):
        Graph(vectors(3))


def test_scores_are_exact_and_best_first(lossy):
    items, scores = Graph(vectors(50)).search(vectors(4, 1), 7)
    unit = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (vectors(4, 1), vectors(50))]
    table = unit[0].astype(float) @ unit[1].astype(float).T
    assert np.allclose(scores, np.take_along_axis(table, items, axis=1), atol=1e-6)
    assert items.tolist() == np.argsort(-table, axis=1)[:, :7].tolist()


def test_what_was_not_found_is_marked(lossy):
    lossy(2)
    items, scores = Graph(vectors(4)).search(vectors(1, 1), 3)
    assert items[0, 2] == -1
    assert np.isnan(scores[0, 2])
    assert set(items[0, :2]) == {2, 3}


def test_recall_is_the_share_of_true_neighbours_found(lossy):
    gallery = vectors(40)
    assert Graph(gallery).recall(vectors(9, 1), 5).share == 1
    lossy(10)
    graph, queries = Graph(gallery), vectors(9, 1)
    unit = graph.score.prepare(queries) @ graph.gallery.T
    best = np.argsort(-unit, axis=1)[:, :5]
    found = graph.recall(queries, 5)
    assert found.share == pytest.approx(np.mean(best >= 10))
    assert (found.queries, found.k) == (9, 5)
    assert "of the true 5 nearest of 9 sample queries" in str(found)


def test_recall_asks_no_more_than_its_sample_and_no_more_than_the_gallery(lossy):
    found = Graph(vectors(3)).recall(vectors(SAMPLE + 50, 1), 10)
    assert (found.share, found.queries, found.k) == (1, SAMPLE, 3)


def test_a_graph_of_faiss_finds_nearly_all():
    pytest.importorskip("faiss", reason="faiss-cpu is the extra [index]")
    graph = Graph(vectors(3000))
    assert graph.recall(vectors(300, 1), 10).share > 0.9
