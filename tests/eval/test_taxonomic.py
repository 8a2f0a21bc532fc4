"""Open-world taxonomy: refusals, chance, known answers, and numbers recomputed from predictions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import collapse, shuffle
from example_taxa import taxa_space, unit
from pydantic import ValidationError

from eval.many_classes import harmonic_mean
from eval.space import Rows, Space, Vectors
from eval.task import Context
from eval.taxonomic import Taxonomic
from eval.ties import Ranking, hit
from workbench.errors import Refusal

CONTEXT = Context(seed=1, base=Path(), replicates=0)
RANKS = ("order", "family", "genus", "species")
DNA = Taxonomic.options(query="dna", keys=("dna",), one_key=False)
EVERY = Taxonomic.options(query="dna", keys=("dna", "image", "average", "concat", "all"))


def run(space, options=DNA, context=CONTEXT):
    return Taxonomic().run(space, options, context)


def value(result, rank, pool, *, k=1, average="micro", keys="dna", metric="accuracy"):
    (row,) = [
        r for r in result.rows
        if (r.rank, r.pool, r.k, r.average, r.gallery, r.metric)
        == (rank, pool, k, average, keys, metric)
    ]  # fmt: skip
    return row.value


def small(angles, key_angles, genera, key_genera):
    """Queries and keys on a circle; half of the queries are unseen, by turns."""
    every = np.radians([*angles, *key_angles])
    values = np.stack([np.cos(every), np.sin(every)], axis=1).astype(np.float32)
    ids = tuple(f"i{n:02d}" for n in range(len(every)))
    splits = (*["test_seen", "test_unseen"] * len(angles),)[: len(angles)]
    splits += ("train",) * len(key_angles)
    names = [*genera, *key_genera]
    columns = {
        "genus": names,
        "species": [n if n is None else n + ids[i] for i, n in enumerate(names)],
    }
    return Space("trained", {"dna": Vectors(ids, values)}, Rows(ids, ids, splits, columns))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"keys": ("dna", "average")}, "at least two"),
        ({"keys": ("all",)}, "at least two"),
        ({"keys": ("dna", "dna")}, "twice"),
        ({"keys": ()}, "at least 1"),
        ({"k": (0,)}, "counts from 1"),
        ({"key_seen": "test_seen"}, "splits of their own"),
        ({"seen": "test_unseen"}, "splits of their own"),
        ({"ranks": ()}, "at least 1"),
    ],
)
def test_options_that_contradict_themselves_are_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        Taxonomic.options(**{"query": "dna", "keys": ("dna",), **given})


def test_unknown_modalities_columns_and_scores_are_refused():
    with pytest.raises(Refusal, match="modality 'oct'"):
        run(taxa_space(), DNA.model_copy(update={"keys": ("oct",)}))
    with pytest.raises(Refusal, match="did you mean 'genus'"):
        run(taxa_space(), DNA.model_copy(update={"ranks": ("order", "genu")}))
    with pytest.raises(Refusal, match="score"):
        run(taxa_space(), DNA.model_copy(update={"score": "volume"}))


def test_an_unseen_query_of_a_trained_species_is_left_out_and_counted():
    space = taxa_space()
    species = list(space.rows.columns["species"])
    (first, *_) = [i for i, split in enumerate(space.rows.splits) if split == "test_unseen"]
    species[first] = "S0"
    space = replace(space, rows=replace(
        space.rows, columns={**space.rows.columns, "species": species}))  # fmt: skip
    row = next(r for r in run(space).rows if r.pool == "unseen")
    assert row.n_excluded == {"species was trained on": 1}
    assert row.n == 47


def test_unnamed_ranks_and_short_lists_are_not_defined():
    space = small([0, 10, 20, 30], [1, 2], ["A", "A", None, "B"], ["A", None])
    result = run(space, DNA.model_copy(update={"ranks": ("genus", "species")}))
    seen = [r for r in result.rows if r.pool == "seen" and r.rank == "genus"]
    assert {r.n for r in seen} == {1}
    assert seen[0].n_excluded == {"no name at this rank": 1}
    assert value(result, "genus", "seen") == 1
    assert [r.reason for r in seen if r.k == 3] == ["2 to rank, fewer than k"] * 2


@pytest.mark.parametrize("options", [EVERY, EVERY.model_copy(update={"distinct": True})])
def test_a_constant_encoder_scores_exactly_chance(options):
    rows = run(collapse(taxa_space()), options).rows
    known = [r for r in rows if r.chance is not None and r.value is not None]
    assert len(known) > 300
    for row in known:
        assert row.value == pytest.approx(row.chance, abs=1e-12), (row.metric, row.pool)


def test_the_order_of_manifest_rows_changes_nothing():
    context = replace(CONTEXT, replicates=12)
    options = EVERY.model_copy(update={"keys": ("dna", "image", "average"), "k": (1,)})
    assert run(taxa_space(), options, context) == run(shuffle(taxa_space()), options, context)


def test_queries_aaaabb_with_nearest_aaabba():
    keys = [10, 100]
    angles = [11, 11, 9, 9, 8, 8, 99, 99, 101, 101, 12, 12]
    genera = [*"AAAAAAAABBBB"]
    space = small(angles, keys, genera, [*"AB"])
    result = run(space, DNA.model_copy(update={"ranks": ("genus", "species"), "k": (1, 2)}))
    for pool in ("seen", "unseen", "hm"):
        assert value(result, "genus", pool) == pytest.approx(2 / 3, abs=1e-12)
        assert value(result, "genus", pool, average="macro") == pytest.approx(5 / 8, abs=1e-12)
        assert value(result, "genus", pool, k=2) == 1


def test_tied_keys_count_by_chance():
    space = small([0, 0], [5, -5, 5, 90], [*"AA"], [*"ABBA"])
    result = run(space, DNA.model_copy(update={"ranks": ("genus",), "k": (1, 2)}))
    assert value(result, "genus", "seen") == pytest.approx(1 / 3, abs=1e-12)
    assert value(result, "genus", "seen", k=2) == pytest.approx(2 / 3, abs=1e-12)


def test_distinct_names_are_counted_once():
    space = small([0, 0], [1, 2, 3, 4, 5], [*"CC"], [*"AAABC"])
    options = DNA.model_copy(update={"ranks": ("genus",), "k": (2, 3)})
    assert value(run(space, options), "genus", "seen", k=3) == 0
    result = run(space, options.model_copy(update={"distinct": True}))
    found = [value(result, "genus", "seen", k=k, metric="accuracy_distinct") for k in (2, 3)]
    assert found == [0, 1]


def test_homonyms_match_by_name_alone():
    space = taxa_space()
    columns = {**space.rows.columns, "genus": ["G"] * len(space.rows.ids)}
    space = replace(space, rows=replace(space.rows, columns=columns))
    by_path, by_name = (
        value(run(space, DNA.model_copy(update={"by": by})), "genus", "unseen")
        for by in ("path", "name")
    )
    assert by_name == 1
    assert by_path == value(run(space), "family", "unseen") <= 1


def test_every_kind_of_keys_equals_a_plain_search():
    space = taxa_space(noise=1.5)
    result, rows = run(space, EVERY), space.rows
    at = {s: [i for i, split in enumerate(rows.splits) if split == s] for s in set(rows.splits)}
    keys, asked = [*at["train"], *at["key_unseen"]], at["test_unseen"]
    dna, image = (space.vectors[name].values.astype(float) for name in ("dna", "image"))
    tables = {
        "image": dna @ image.T, "average": dna @ unit(dna + image).astype(float).T,
        "concat": dna @ (dna + image).T, "all": np.maximum(dna @ dna.T, dna @ image.T),
    }  # fmt: skip
    path = np.array(["/".join(p) for p in zip(*(rows.columns[r] for r in RANKS), strict=True)])
    for name, table in tables.items():
        best = np.array(keys)[table[np.ix_(asked, keys)].argmax(axis=1)]
        expected = np.mean(path[best] == path[asked])
        assert 0.1 < expected < 0.95
        found = value(result, "species", "unseen", keys=name)
        assert found == pytest.approx(expected, abs=1e-12), name


def test_queries_whose_content_is_among_the_keys_are_left_out_as_novel():
    space = taxa_space(noise=1.5)
    ids = [i for i, split in enumerate(space.rows.splits) if split == "test_seen"]
    key = space.rows.splits.index("train")
    dna = space.vectors["dna"]
    digests = list(dna.digests)
    for i in ids[:8]:
        digests[i] = digests[key]
    space = replace(space, vectors={"dna": replace(dna, digests=tuple(digests))})
    rows = run(space).rows
    novel = [r for r in rows if r.pool == "seen, novel"]
    assert novel[0].n == len(ids) - 8
    assert novel[0].n_excluded == {"content among the keys": 8}
    assert {"hm, novel", "unseen, novel"} <= {r.pool for r in rows}
    assert not [r for r in run(taxa_space()).rows if "novel" in str(r.pool)]


def test_one_key_per_species_ranks_as_many_keys_as_species():
    rows = run(taxa_space(), EVERY).rows
    sizes = {(r.gallery, r.gallery_size) for r in rows if "one key" in str(r.pool)}
    assert sizes == {(name, 48) for name in ("dna", "image", "average", "concat")} | {("all", 96)}


def test_species_are_a_unit_of_their_own():
    context = replace(CONTEXT, replicates=60)
    rows = [r for r in run(taxa_space(noise=1.5), DNA, context).rows if r.rank == "genus"]
    plain, species = (
        next(r for r in rows if (r.pool, r.average, r.k) == (pool, "macro", 1))
        for pool in ("unseen", "unseen, by species")
    )
    assert plain.value == species.value
    assert (plain.unit, plain.n_groups, species.unit, species.n_groups) == (
        "group",
        48,
        "species",
        16,
    )
    assert (plain.ci_low, plain.ci_high) != (species.ci_low, species.ci_high)


def test_errors_are_shared_out_among_the_ranks():
    result = run(taxa_space(noise=2.5))
    for pool in ("seen", "unseen"):
        rows = [r for r in result.rows if r.metric.startswith("error") and r.pool == pool]
        assert [r.rank for r in rows] == ["order", "family", "genus", "none"]
        assert sum(r.value for r in rows) == pytest.approx(1, abs=1e-12)
    (near,) = [r for r in result.rows if r.metric == "nearest_seen"]
    assert 0 < near.value < 1
    assert near.chance == 0.75


@pytest.mark.parametrize("distinct", [False, True])
def test_numbers_follow_from_predictions_alone(distinct):
    options = EVERY.model_copy(update={"distinct": distinct, "one_key": False})
    result = run(taxa_space(noise=1.5), options)
    table = {name: np.array(cells, dtype=object) for name, cells in result.predictions.items()}
    assert list(table["id"]) == sorted(table["id"])
    checked = 0
    for row in result.rows:
        if not row.metric.startswith("accuracy") or "by species" in row.pool:
            continue
        if row.k > row.gallery_size:
            assert row.value is None
            continue
        mine = table["gallery"] == row.gallery
        above, tied, positive = (
            table[f"{name}_{row.rank}"][mine] for name in ("n_above", "n_tied", "n_tied_positive")
        )
        has = np.array([i for i, known in enumerate(above) if known is not None])
        blocks = (part[has].astype(np.int64) for part in (above, tied, positive))
        size = np.full(len(above), row.gallery_size)
        ranking = Ranking(has, *blocks, np.ones(len(has)), size)
        hits, taxa = np.nan_to_num(hit(ranking, row.k)), table[f"taxon_{row.rank}"][mine]
        late = table["pool"][mine] == "unseen"
        averages = []
        for side in (~late, late):
            inside = hits[side]
            each = [inside[taxa[side] == taxon].mean() for taxon in set(taxa[side])]
            averages.append(np.mean(inside if row.average == "micro" else each))
        pools = {"seen": averages[0], "unseen": averages[1], "hm": harmonic_mean(*averages)}
        assert row.value == pytest.approx(float(pools[row.pool]), abs=1e-12)
        checked += 1
    assert checked == 5 * 3 * 2 * (4 * 3 - (3 if distinct else 0))
