"""The open-set task: refusals, chance, thresholds from validation, numbers from predictions."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from example_space import collapse, shuffle
from example_taxa import taxa_space
from pydantic import ValidationError
from sklearn.metrics import average_precision_score, roc_auc_score

from eval.novelty import accuracy_at, risk_area
from eval.open_set import OpenSet
from eval.task import Context
from workbench.errors import Refusal

CONTEXT = Context(seed=1, base=Path(), replicates=40)
ANCHORS = {"modality": "image", "from": "train"}
GENUS_SPECIES = "species_name"
OPEN = OpenSet.options(query="dna", label=GENUS_SPECIES, anchors=ANCHORS, aggregate="max_score")


def space_of(noise=0.3, **more):
    """The taxa with whole species names, and validation rows of species of their own."""
    space = taxa_space(noise, **more)
    columns = dict(space.rows.columns)
    names = [f"{g} {s}" for g, s in zip(columns["genus"], columns["species"], strict=True)]
    splits = list(space.rows.splits)
    for i, (name, split) in enumerate(zip(names, splits, strict=True)):
        if name.endswith("S4") and split == "test_unseen":
            splits[i] = "val_unseen"
    rows = replace(space.rows, splits=tuple(splits), columns={**columns, GENUS_SPECIES: names})
    return replace(space, rows=rows)


def run(space, options=OPEN, **more):
    return OpenSet().run(space, options.model_copy(update=more), CONTEXT)


def one(result, metric, **columns):
    wanted = {"metric": metric, **columns}
    (row,) = [r for r in result.rows if all(getattr(r, k) == v for k, v in wanted.items())]
    return row


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"val_splits": ("test_seen",)}, "would set the threshold"),
        ({"splits": ("train", "test_seen")}, "its example"),
        ({"coverages": (0.0,)}, "above 0"),
        ({"splits": ()}, "at least 1"),
        ({"anchors": None, "prompts": {"classes": {"a": "b"}, "templates": ["{}"]},
          "novelty": "knn", "aggregate": None}, "that are examples"),
    ],
)  # fmt: skip
def test_options_that_contradict_themselves_are_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        OpenSet.options(**{**OPEN.model_dump(by_alias=True), **given})


def test_novel_classes_shared_with_validation_are_refused():
    with pytest.raises(Refusal, match="novel classes in validation and test"):
        run(taxa_space(), label="species", val_splits=("key_unseen",))


def test_without_validation_there_is_no_threshold():
    result = run(space_of())
    for metric in ("novel_rejected", "known_accepted", "open_set_accuracy"):
        row = one(result, metric)
        assert row.value is None
        assert "10 of each needed" in row.reason
    assert set(result.predictions["rejected"]) == {None}


def test_rows_that_are_not_there_are_not_defined():
    assert one(run(space_of(), splits=("nowhere",)), "auroc").reason == "no row is left"


def test_rows_without_one_label_are_counted_out():
    space = space_of()
    names = list(space.rows.columns[GENUS_SPECIES])
    test = [i for i, split in enumerate(space.rows.splits) if split == "test_seen"]
    names[test[0]], names[test[1]] = None, "a|b"
    rows = replace(space.rows, columns={GENUS_SPECIES: names})
    row = one(run(replace(space, rows=rows)), "auroc")
    assert row.n_excluded == {"no label": 1, "several labels": 1}


@pytest.mark.parametrize("novelty", ["cosine", "knn", "logsumexp"])
def test_numbers_follow_from_predictions_alone(novelty):
    val = ("val_seen", "val_unseen")
    result = run(space_of(noise=1.0), novelty=novelty, tau=0.1, neighbours=2, val_splits=val)
    table = {name: np.array(cells) for name, cells in result.predictions.items()}
    assert table["id"].tolist() == sorted(table["id"])
    novel, score, right = table["novel"].astype(float), table["novelty"], table["right"]
    assert one(result, "auroc").value == pytest.approx(roc_auc_score(novel, score), abs=1e-12)
    assert one(result, "auprc").value == pytest.approx(
        average_precision_score(novel, score), abs=1e-12
    )
    rejected = table["rejected"].astype(bool)
    assert one(result, "novel_rejected").value == pytest.approx(rejected[novel == 1].mean())
    assert one(result, "known_accepted").value == pytest.approx(1 - rejected[novel == 0].mean())
    expected = np.where(novel == 1, rejected, ~rejected * right).mean()
    assert one(result, "open_set_accuracy").value == pytest.approx(expected, abs=1e-12)
    for pool, mask in (("open", novel >= 0), ("known", novel == 0)):
        index, every = np.arange(mask.sum()), np.ones((1, mask.sum()))
        risk = risk_area(-score[mask], 1 - right[mask], index)(every)[0][0]
        assert one(result, "aurc", pool=pool).value == pytest.approx(risk, abs=1e-12)
        kept = accuracy_at(-score[mask], 1 - right[mask], index, coverage=0.8)(every)[0][0]
        found = one(result, "accuracy_at_0.8_coverage", pool=pool).value
        assert found == pytest.approx(kept, abs=1e-12)
    assert (table["right"] == (table["label"] == table["prediction"])).all()


def test_the_threshold_does_not_move_with_test_rows():
    val = ("val_seen", "val_unseen")
    one_way = run(space_of(), val_splits=val).extras["thresholds"][0]["value"]
    other = run(space_of(), val_splits=val, splits=("test_seen",)).extras["thresholds"][0]["value"]
    assert one_way == other is not None


def test_the_distance_to_the_second_nearest_example_is_what_it_says():
    space = space_of(noise=1.0)
    result = run(space, novelty="knn", neighbours=2)
    at = {name: i for i, name in enumerate(space.rows.ids)}
    train = [i for i, split in enumerate(space.rows.splits) if split == "train"]
    asked = [at[name] for name in result.predictions["id"]]
    dna, image = (space.vectors[name].values.astype(float) for name in ("dna", "image"))
    cosines = np.sort(dna[asked] @ image[train].T, axis=1)
    assert result.predictions["novelty"] == pytest.approx(1 - cosines[:, -2], abs=1e-6)


def test_a_constant_encoder_scores_exactly_chance():
    for row in run(collapse(space_of())).rows:
        if row.value is not None:
            assert row.value == pytest.approx(row.chance, abs=1e-12), (row.metric, row.pool)


def test_the_order_of_manifest_rows_changes_nothing():
    assert run(space_of()) == run(shuffle(space_of()))


def test_accuracy_rises_as_the_unsure_are_left_out():
    curve = run(space_of(noise=0.8)).extras["curve"]
    assert curve[0]["accuracy"] > curve[-1]["accuracy"]
    assert curve[-1]["coverage"] == 1
