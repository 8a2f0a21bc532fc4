"""Batches: an order that follows from the key alone, rows that are absent, facts coded for losses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipelines.batch import Shelf, calibration_batches, epoch_batches, item_table, shelf
from pipelines.decode import load_decoded
from pipelines.plan import make_plan
from workbench.manifest import Manifest
from workbench.modality import Batch

IDS = [f"row-{n}" for n in range(41)]


def order(ids, *, seed=1, epoch=0):
    """Return the ids in the order in which an epoch visits them."""
    batches = epoch_batches(ids, seed=seed, epoch=epoch, size=10)
    return [ids[int(i)] for batch in batches for i in batch]


def test_the_order_follows_from_seed_and_epoch_alone():
    assert order(IDS) == order(IDS)
    assert order(IDS) != order(IDS, seed=2)
    assert order(IDS) != order(IDS, epoch=1)


def test_every_row_is_visited_once_but_for_a_lonely_last_one():
    batches = epoch_batches(IDS, seed=1, epoch=0, size=10)
    assert [len(b) for b in batches] == [10, 10, 10, 10]
    assert len(set(np.concatenate(batches).tolist())) == 40
    assert [len(b) for b in epoch_batches(IDS, seed=1, epoch=0, size=13)] == [13, 13, 13, 2]


def test_one_row_alone_is_still_a_batch():
    assert [len(b) for b in epoch_batches(IDS[:1], seed=1, epoch=0, size=10)] == [1]
    assert epoch_batches([], seed=1, epoch=0, size=10) == []


def test_leaving_one_id_out_moves_no_other():
    ids = IDS[:40]
    for gone in (ids[0], ids[17], ids[39]):
        rest = [i for i in ids if i != gone]
        assert order(rest) == [i for i in order(ids) if i != gone]


def test_the_order_of_the_table_does_not_matter():
    assert order(IDS[:40][::-1]) == order(IDS[:40])


@pytest.fixture
def ecg(finished):
    """The ECG shelf of the finished run, and its row ids."""
    plan = make_plan(finished.parent / "small.yaml")
    decoded = load_decoded(next(p for p in finished.rglob("arrays.bin") if "ecg" in str(p)).parent)
    count = int(decoded.rows.max()) + 3
    return shelf(plan.parts["ecg"], decoded, count), [f"r{n}" for n in range(count)]


def test_a_shelf_knows_which_rows_hold_a_sample(ecg):
    one, ids = ecg
    rows = np.arange(len(ids))
    assert np.flatnonzero(one.has(rows)).tolist() == one.decoded.rows.tolist()
    assert not one.has(rows)[-2:].any()


def test_a_view_follows_from_seed_epoch_and_id_whoever_else_is_in_the_batch(ecg):
    one, ids = ecg
    rows = one.decoded.rows[:4]
    whole = one.view(rows, ids, seed=1, epoch=2)
    alone = one.view(rows[2:3], ids, seed=1, epoch=2)
    assert torch.equal(alone.values[0], whole.values[2])
    assert not torch.equal(one.view(rows, ids, seed=1, epoch=3).values, whole.values)
    assert not torch.equal(one.view(rows, ids, seed=2, epoch=2).values, whole.values)
    assert not torch.equal(one.batch(rows).values, whole.values)


def test_without_augmentation_a_view_is_the_sample(ecg):
    one, ids = ecg
    config = one.part.config.model_copy(update={"augment": False})
    plain = Shelf(type(one.part)(**{**one.part.__dict__, "config": config}), one.decoded, one.place)
    rows = one.decoded.rows[:3]
    view = plain.view(rows, ids, seed=1, epoch=2)
    assert torch.equal(view.values, one.batch(rows).values)


def table(columns, cells, **columns_of_labels):
    names = tuple(f"r{n}" for n in range(len(cells)))
    return item_table(Manifest("m", names, tuple(cells), ("train",) * len(cells),
                               columns_of_labels), {}, columns)  # fmt: skip


def test_groups_are_numbered_alike_where_they_are_alike():
    found = table([], ["p2", "p1", "p2"]).items(np.array([0, 1, 2]))
    assert found.group[0] == found.group[2] != found.group[1]
    assert found.label is None
    assert found.ranks is None


def test_one_label_column_becomes_many_hot_and_nothing_for_an_empty_cell():
    found = table(["sign"], "abc", sign=("x|y", None, "y"))
    assert found.label.tolist() == [[True, True], [False, False], [False, True]]


def test_several_label_columns_become_paths_that_end_at_the_first_unnamed_rank():
    found = table(["order", "family"], "abcd", order=("O", "O", "P", None),
                  family=("F", "G", "F", "F"))  # fmt: skip
    assert found.ranks.tolist() == [[0, 0], [0, 1], [1, 2], [-1, -1]]


def test_contents_of_absent_rows_are_minus_one(ecg):
    one, ids = ecg
    names = tuple(ids)
    manifest = Manifest("m", names, names, ("train",) * len(names), {})
    content = item_table(manifest, {"ecg": one}, []).content["ecg"]
    assert ((content >= 0).numpy() == one.has(np.arange(len(ids)))).all()


class RowNumbers(Shelf):
    """A shelf whose batches hold the row numbers themselves."""

    def batch(self, rows):
        return Batch(torch.from_numpy(rows))


@pytest.fixture
def numbered(ecg):
    """A shelf over the decoded rows, and a manifest whose every third row is for testing."""
    one, ids = ecg
    splits = tuple("test" if n % 3 == 0 else "train" for n in range(len(ids)))
    manifest = Manifest("m", tuple(ids), tuple(ids), splits, {})
    return RowNumbers(one.part, one.decoded, one.place), manifest


def drawn(one, manifest, seed=1):
    """Return the rows of every calibration batch."""
    return [b.values.tolist() for b in calibration_batches(one, manifest, seed=seed)]


def test_calibration_sees_training_rows_alone_and_each_once(numbered):
    one, manifest = numbered
    rows = [row for batch in drawn(one, manifest) for row in batch]
    assert sorted(rows) == [int(r) for r in one.decoded.rows if int(r) % 3]


def test_calibration_is_drawn_by_seed_and_id_in_batches_of_one_size(numbered, monkeypatch):
    monkeypatch.setattr("pipelines.batch.CALIBRATION_ROWS", 9)
    monkeypatch.setattr("pipelines.batch.CALIBRATION_BATCH", 4)
    one, manifest = numbered
    first = drawn(one, manifest)
    assert [len(batch) for batch in first] == [4, 4, 1]
    assert first == drawn(one, manifest)
    assert first != drawn(one, manifest, seed=2)


def test_without_training_rows_there_is_nothing_to_calibrate_on(numbered):
    one, manifest = numbered
    assert drawn(one, replace(manifest, splits=("test",) * len(manifest.splits))) == []
