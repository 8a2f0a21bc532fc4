"""The cluster task: refusals, undefined cases, chance, and numbers recomputed from predictions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import collapse, make_space, shuffle
from pydantic import ValidationError
from sklearn import metrics

from eval import reduction
from eval.cluster import Cluster
from eval.task import Context
from workbench.errors import Refusal

CONTEXT = Context(seed=1, base=Path(), replicates=40)
WARD = Cluster.options(query="ecg", label="finding")
K_MEANS = Cluster.options(query="ecg", label="finding", most=20, restarts=3)


def run(space, options=WARD):
    return Cluster().run(space, options, CONTEXT)


def one(result, metric, pool="values"):
    (row,) = [r for r in result.rows if (r.metric, r.pool) == (metric, pool)]
    return row


def test_umap_is_refused_where_it_is_not_installed(monkeypatch):
    monkeypatch.setattr(reduction, "has_umap", lambda: False)
    with pytest.raises(ValidationError, match=r"medbio-workbench\[umap\]"):
        Cluster.options(query="ecg", label="finding", reduce="umap")


def test_an_unknown_column_is_refused():
    with pytest.raises(Refusal, match="did you mean 'finding"):
        run(make_space(), WARD.model_copy(update={"label": "findng"}))


def test_what_cannot_be_clustered_is_not_defined():
    space = make_space()
    rows = replace(space.rows, columns={"finding": ["c1"] * 240})
    assert one(run(replace(space, rows=rows)), "ami").reason.startswith("1 class")
    nowhere = run(space, WARD.model_copy(update={"split": "nowhere"}))
    assert one(nowhere, "ami").reason == "no row is left"
    ecg = replace(space.vectors["ecg"], features=None)
    bare = run(replace(space, vectors={"ecg": ecg}), WARD.model_copy(update={"by": ("features",)}))
    assert one(bare, "ami", "features").reason == "these vectors were not kept"


@pytest.mark.parametrize("options", [WARD, K_MEANS])
def test_numbers_follow_from_predictions_alone(options):
    result = run(make_space(), options.model_copy(update={"by": ("values", "features")}))
    table = result.predictions
    assert table["id"] == sorted(table["id"])
    for kind in ("values", "features"):
        truth, found = table["label"], table[f"cluster_{kind}"]
        assert len(set(found)) == 4
        for metric, theirs in (
            ("ami", metrics.adjusted_mutual_info_score),
            ("ari", metrics.adjusted_rand_score),
            ("nmi", metrics.normalized_mutual_info_score),
        ):
            assert one(result, metric, kind).value == pytest.approx(theirs(truth, found), abs=1e-12)


def test_intervals_hold_the_clusters_fixed():
    row = one(run(make_space(noise=0.3)), "ami")
    assert row.ci_method == "fixed-clusters"
    assert {"bca", "percentile"} & set(row.flags)
    assert row.ci_low < row.value <= row.ci_high
    assert any(flag.startswith("transductive: pca") for flag in row.flags)


def test_k_means_prints_the_spread_over_its_restarts():
    result = run(make_space(noise=0.8), K_MEANS)
    spread = one(result, "ami_over_seeds")
    assert spread.ci_low <= spread.value <= spread.ci_high
    assert spread.ci_low <= one(result, "ami").value <= spread.ci_high
    assert "3 restarts" in spread.reason
    assert not [r for r in run(make_space()).rows if r.metric == "ami_over_seeds"]


def test_a_constant_encoder_scores_exactly_chance():
    rows = run(collapse(make_space())).rows
    assert {r.metric for r in rows} == {"ami", "ari", "nmi"}
    for row in rows:
        assert row.value == pytest.approx(row.chance, abs=1e-12), row.metric


@pytest.mark.parametrize("options", [WARD, K_MEANS])
def test_the_order_of_manifest_rows_changes_nothing(options):
    assert run(make_space(), options) == run(shuffle(make_space()), options)


def test_separable_classes_are_found():
    assert one(run(make_space(noise=0.05)), "ami").value == pytest.approx(1, abs=1e-12)


def test_a_turned_space_has_the_same_clusters():
    space = make_space()
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((12, 12)))[0]
    ecg = space.vectors["ecg"]
    turned = replace(ecg, values=(ecg.values @ turn).astype(np.float32))
    other = run(replace(space, vectors={"ecg": turned}))
    assert one(other, "ari").value == pytest.approx(one(run(space), "ari").value, abs=1e-12)
