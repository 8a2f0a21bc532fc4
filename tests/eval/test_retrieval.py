"""The retrieval task: relations, exclusions, copies, chance, and recomputed numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import collapse, make_space, shuffle
from pydantic import ValidationError

from eval.retrieval import Retrieval
from eval.task import Context
from workbench.errors import Refusal

CONTEXT = Context(seed=1, base=Path(), replicates=100)
KINDS = [
    {"relation": "pair", "at_gallery": [20]},
    {"relation": "same_group"},
    {"relation": "same_text"},
    {"relation": "same_label", "label": "findings"},
    {"relation": "same_label", "label": "findings", "gallery": "ecg", "match": "all"},
    {"relation": "same_taxon", "ranks": ["finding", "findings"], "rank": "finding"},
]


def ask(**options):
    return Retrieval.options(**{"query": "ecg", "gallery": "report", **options})


def run(space, options):
    return Retrieval().run(space, options, CONTEXT)


def one(result, metric, k=None, **columns):
    wanted = {"metric": metric, "k": k, **columns}
    (row,) = [r for r in result.rows if all(getattr(r, n) == v for n, v in wanted.items())]
    return row


@pytest.mark.parametrize(
    "options",
    [{"relation": "same_label"}, {"relation": "same_taxon"}, {"k": [0]}, {"at_gallery": [9],
     "relation": "same_text"}, {"relation": "same_taxon", "ranks": ["a"], "rank": "b"}],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ValidationError):
        ask(**options)


def test_another_score_than_the_model_was_trained_with_is_refused():
    with pytest.raises(Refusal, match="trained with"):
        run(make_space(), ask(score="volume"))


@pytest.mark.parametrize("options", KINDS)
def test_a_constant_encoder_scores_exactly_chance(options):
    for row in run(collapse(make_space(120)), ask(**options)).rows:
        if row.value is not None and row.chance is not None:
            assert row.value == pytest.approx(row.chance, abs=1e-12, rel=1e-12), row.metric


@pytest.mark.parametrize("options", KINDS)
def test_the_order_of_manifest_rows_changes_nothing(options):
    assert run(make_space(120), ask(**options)) == run(shuffle(make_space(120)), ask(**options))


def test_both_directions_are_printed():
    rows = run(make_space(), ask()).rows
    assert {(r.query, r.gallery) for r in rows} == {("ecg", "report"), ("report", "ecg")}
    keys = [(r.query, r.gallery, r.metric, r.k, r.pool) for r in rows]
    assert len(set(keys)) == len(keys)


def test_pair_retrieval_follows_from_the_full_matrix():
    space = make_space(noise=1.0)
    result = run(space, ask(both_directions=False))
    rows = [i for i, split in enumerate(space.rows.splits) if split == "test"]
    table = space.vectors["ecg"].values[rows] @ space.vectors["report"].values[rows].T
    ranks = (table > np.diag(table)[:, None]).sum(axis=1) + 1
    assert one(result, "hit", 5).value == pytest.approx(np.mean(ranks <= 5), abs=1e-12)
    assert one(result, "mrr").value == pytest.approx(np.mean(1 / ranks), abs=1e-12)
    assert one(result, "median_rank").value == np.median(ranks)
    assert one(result, "hit", 5).chance == pytest.approx(5 / 48, abs=1e-12)


def test_metrics_follow_from_predictions_alone():
    result = run(make_space(noise=1.0), ask(relation="same_label", label="findings"))
    table = result.predictions
    for query, gallery in (("ecg", "report"), ("report", "ecg")):
        mine = [i for i, name in enumerate(table["query"]) if name == query]
        above = np.array([table["n_above"][i] for i in mine])
        for metric in ("map", "mrr", "hit@5", "ndcg@10"):
            name, _, k = metric.partition("@")
            values = [table[metric][i] for i in mine]
            row = one(result, name, int(k) if k else None, query=query, gallery=gallery)
            assert row.value == pytest.approx(np.mean(values), abs=1e-12)
        hit = one(result, "hit", 1, query=query).value
        assert hit == pytest.approx(np.mean(above == 0), abs=1e-12)


def test_the_one_gallery_item_of_a_query_is_not_its_own_answer():
    result = run(make_space(), ask(gallery="ecg", relation="same_group"))
    row = one(result, "hit", 1)
    assert row.chance == pytest.approx(1 / 47, abs=1e-12)
    assert all(e["query"] != item["id"] for e in result.extras["neighbours"] for item in e["items"])


def test_a_patients_other_items_are_no_answer_to_a_label_search():
    space = make_space()
    result = run(space, ask(gallery="ecg", relation="same_label", label="finding"))
    group = dict(zip(space.rows.ids, space.rows.groups, strict=True))
    table = result.predictions
    for name, found in zip(table["id"], table["top_ids"], strict=True):
        assert all(group[other] != group[name] for other in found)


def test_joining_copies_changes_nothing_but_the_count():
    space = make_space()
    options = ask(relation="same_text", both_directions=False, k=[1, 5])
    test = [i for i, split in enumerate(space.rows.splits) if split == "test"]
    report = space.vectors["report"]
    values, digests = report.values.copy(), list(report.digests)
    twin = next(
        i for i in test[1:]
        if space.rows.columns["report"][i] == space.rows.columns["report"][test[0]]
    )  # fmt: skip
    values[twin], digests[twin] = values[test[0]], digests[test[0]]
    joined = replace(report, values=values, digests=tuple(digests))
    keep = [i for i in range(len(report.ids)) if i != twin]
    single = replace(
        report, ids=tuple(report.ids[i] for i in keep), values=values[keep],
        digests=tuple(digests[i] for i in keep),
    )  # fmt: skip
    found = run(replace(space, vectors={**space.vectors, "report": joined}), options)
    alone = run(replace(space, vectors={**space.vectors, "report": single}), options)
    assert [r.value for r in found.rows] == [r.value for r in alone.rows]
    assert (found.rows[0].gallery_size, found.rows[0].gallery_size_raw) == (47, 48)
    assert "1 copies joined" in found.rows[0].flags


def test_queries_whose_content_lies_in_the_gallery_are_printed_apart():
    space = make_space()
    ecg = space.vectors["ecg"]
    test = [i for i, split in enumerate(space.rows.splits) if split == "test"]
    digests = list(ecg.digests)
    digests[test[5]] = digests[test[0]]
    space = replace(space, vectors={**space.vectors, "ecg": replace(ecg, digests=tuple(digests))})
    result = run(space, ask(gallery="ecg", relation="same_label", label="finding"))
    assert one(result, "hit", 1, pool="all").n == 48
    assert one(result, "hit", 1, pool="novel").n == 46


def test_queries_without_positive_are_left_out_or_missed():
    space = make_space()
    column = list(space.rows.columns["finding"])
    test = [i for i, split in enumerate(space.rows.splits) if split == "test"]
    column[test[0]], column[test[1]] = "alone", None
    space = replace(space, rows=replace(space.rows, columns={"finding": column}))
    options = {"relation": "same_label", "label": "finding", "gallery": "ecg"}
    out = one(run(space, ask(**options)), "hit", 1)
    assert (out.n, out.n_excluded) == (46, {"no positive": 1, "nothing to relate by": 1})
    missed = one(run(space, ask(**options, no_positive="miss")), "hit", 1)
    assert missed.n == 47
    assert missed.value == pytest.approx(out.value * 46 / 47, abs=1e-12)


def test_an_unnamed_rank_matches_nothing():
    space = make_space()
    genus = [None if i % 3 == 0 else "Apis" for i in range(240)]
    order = ["Hymenoptera"] * 240
    rows = replace(space.rows, columns={"order": order, "genus": genus})
    options = ask(relation="same_taxon", ranks=["order", "genus"], both_directions=False)
    row = one(run(replace(space, rows=rows), options), "hit", 1)
    assert row.n == sum(genus[i] is not None for i in range(240) if rows.splits[i] == "test")
    assert row.rank == "genus"


def test_a_gallery_smaller_than_k_is_not_defined():
    row = one(run(make_space(), ask(k=[1, 60], both_directions=False)), "hit", 60)
    assert row.value is None
    assert "fewer than k" in row.reason


def test_an_empty_split_is_not_defined():
    rows = run(make_space(), ask(split="nowhere")).rows
    assert rows
    assert all(row.value is None and row.reason for row in rows)


def test_an_orthogonal_map_of_all_vectors_changes_no_rank():
    space = make_space()
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((12, 12)))[0].astype(np.float32)
    vectors = {n: replace(v, values=v.values @ turn) for n, v in space.vectors.items()}
    turned = run(replace(space, vectors=vectors), ask())
    assert [r.value for r in turned.rows] == [r.value for r in run(space, ask()).rows]
