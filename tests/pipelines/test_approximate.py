"""Approximate search of a run: what it refuses, and that recall stands beside the answer."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from eval.space import Rows, Space, Vectors
from pipelines.approximate import ApproximateSearch, approximate_text
from workbench.errors import Refusal


class Exact:
    """Stands in for faiss: finds everything."""

    def __init__(self, width, links, metric):
        self.hnsw = SimpleNamespace(efSearch=0)

    def add(self, items):
        self.items = items

    def search(self, query, count):
        return None, np.argsort(-(query @ self.items.T), axis=1)[:, :count]


@pytest.fixture
def faiss(monkeypatch):
    module = ModuleType("faiss")
    module.IndexHNSWFlat, module.METRIC_INNER_PRODUCT = Exact, 0
    monkeypatch.setitem(sys.modules, "faiss", module)


def finished_run():
    ids = ("a", "b", "c")
    vectors = {name: Vectors(ids, np.eye(3, dtype=np.float32)) for name in ("ecg", "report")}
    space = Space("trained", vectors, Rows(ids, ids, ("test",) * 3, {}))
    one = np.array([[0, 0.6, 0.8]], dtype=np.float32)
    return SimpleNamespace(space=space, path=Path("run"), embed=lambda modality, cells: one)


def test_without_faiss_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(Refusal, match="E-CFG-104"):
        ApproximateSearch(finished_run(), "report")


def test_a_modality_the_run_does_not_have_is_refused(faiss):
    with pytest.raises(Refusal, match="did you mean 'report'"):
        ApproximateSearch(finished_run(), "reprot")


def test_a_run_trained_with_another_score_is_refused(faiss):
    run = finished_run()
    run.space = replace(run.space, score="volume")
    with pytest.raises(Refusal, match="volume"):
        ApproximateSearch(run, "report")


@pytest.mark.parametrize("words", [[], ["x.hea"], ["--ecg"], ["ecg", "x.hea"]])
def test_words_that_are_no_query_are_refused(words, tmp_path):
    with pytest.raises(Refusal, match="--MODALITY FILE"):
        approximate_text(tmp_path, words, "report", 2)


def test_the_nearest_come_first_and_the_measured_recall_last(faiss):
    found = ApproximateSearch(finished_run(), "report").search("ecg", "new.hea", 2)
    assert found.items == [("c", pytest.approx(0.8)), ("b", pytest.approx(0.6))]
    assert found.recall.share == 1
    lines = found.text().splitlines()
    assert lines[0].split() == ["1", "0.8000", "c"]
    assert lines[2].startswith("approximate: found 100.0 % of the true 2 nearest of 3")
