"""Shuffled pairs: across groups, within splits, and trained to know nothing."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.batch import Shelf
from pipelines.plan import make_plan
from pipelines.run import run_plan
from pipelines.shuffled import shuffled_shelves


def shelf(rows, absent=()):
    place = np.arange(rows)
    place[list(absent)] = -1
    return Shelf(None, None, place)


def manifest(rows=60, per_group=3):
    return SimpleNamespace(
        ids=tuple(f"r{i}" for i in range(rows)),
        groups=tuple(f"p{i // per_group}" for i in range(rows)),
        splits=tuple(("train", "train", "val", "test")[i // per_group % 4] for i in range(rows)),
    )


def test_one_group_alone_keeps_its_samples_in_some_order():
    rows = manifest(6, per_group=6)
    found = shuffled_shelves({"a": shelf(6), "b": shelf(6)}, rows, 1)["b"]
    assert sorted(found.place) == list(range(6))


def test_samples_come_from_other_groups_of_the_same_split():
    rows = manifest()
    given = {"a": shelf(60), "b": shelf(60, absent=(0, 7)), "c": shelf(60)}
    found = shuffled_shelves(given, rows, 1)
    assert found["a"] is given["a"]
    for key in ("b", "c"):
        place = found[key].place
        assert sorted(place) == sorted(given[key].place)
        assert (place == -1).tolist() == (given[key].place == -1).tolist()
        for row in np.flatnonzero(place >= 0):
            assert rows.splits[place[row]] == rows.splits[row]
            if rows.splits[row] == "test":
                assert place[row] == row
            else:
                assert rows.groups[place[row]] != rows.groups[row]
    assert found["b"].place.tolist() != found["c"].place.tolist()


def test_the_seed_decides_who_gets_what():
    given = {"a": shelf(60), "b": shelf(60)}
    one, again, other = (
        shuffled_shelves(given, manifest(), seed)["b"].place.tolist() for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other


@pytest.mark.parametrize("how", ["heads", "full"])
def test_the_control_stands_beside_the_model(small_file, tmp_path, how):
    sets = [f"controls.shuffled_pairs={how}", "controls.random_frozen=0", "replicates=0",
            "controls.unaligned=false", "controls.constant=false", "pretrain={}"]  # fmt: skip
    folder = run_plan(make_plan(small_file, sets), tmp_path / "run").path
    rows = json.loads((folder / "metrics.json").read_text())
    assert {row["model"] for row in rows} == {
        "trained", "control:shuffled_pairs", "control:text_prior",
    }  # fmt: skip
    values = {
        model: [row["value"] for row in rows if row["model"] == model and row["metric"] == "mrr"]
        for model in ("trained", "control:shuffled_pairs")
    }
    assert values["trained"] != values["control:shuffled_pairs"]
