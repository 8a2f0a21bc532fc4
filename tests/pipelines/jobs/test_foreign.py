"""A stranger's store: refused where it contradicts itself, else the space it was made from."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from example_space import make_space

from pipelines.jobs.foreign import open_foreign
from workbench.errors import Refusal


def refusal(folder):
    with pytest.raises(Refusal) as caught:
        open_foreign(folder / "store.yaml").prepare(folder / "cache")
    return str(caught.value)


def change(folder, old, new):
    path = folder / "store.yaml"
    path.write_text(path.read_text().replace(old, new))


def test_fewer_ids_than_vectors_are_refused(stranger):
    (stranger / "ecg.txt").write_text("r0000\nr0001\n")
    said = refusal(stranger)
    assert said.startswith("E-EMB-005 ecg.npy: rows has shape (60, 12)")
    assert "expected 2 rows, one for each of ecg.txt" in said


def test_ids_of_no_row_are_refused(stranger):
    ids = (stranger / "ecg.txt").read_text()
    (stranger / "ecg.txt").write_text(ids.replace("r0003", "x0003"))
    said = refusal(stranger)
    assert said.startswith("E-EMB-007 ecg.txt: ids has 1 of 60 in no row of it, first ['x0003']")
    assert "ids of rows.csv" in said


def test_repeated_ids_are_refused(stranger):
    ids = (stranger / "ecg.txt").read_text()
    (stranger / "ecg.txt").write_text(ids.replace("r0003", "r0004"))
    assert refusal(stranger).startswith("E-EMB-006 ecg.txt: id has 1 repeated, first ['r0004']")


def test_vectors_of_two_widths_are_refused(stranger):
    np.save(stranger / "report.npy", np.eye(60, dtype=np.float32))
    said = refusal(stranger)
    assert said.startswith("E-EMB-004 store.yaml: width")
    assert "'modalities.ecg': 12, 'modalities.report': 60" in said


def test_vectors_that_are_not_finite_are_refused(stranger):
    values = np.load(stranger / "ecg.npy")
    values[7] = np.nan
    np.save(stranger / "ecg.npy", values)
    assert refusal(stranger).startswith("E-EMB-008 ecg.npy: numbers has 1 of 60 bad rows")


def test_longer_vectors_are_refused_until_asked_to_be_normalised(stranger):
    before = open_foreign(stranger / "store.yaml")
    before.prepare(stranger / "cache")
    unit = np.array(before.space(stranger / "cache").vectors["ecg"].values)
    np.save(stranger / "ecg.npy", 5 * np.load(stranger / "ecg.npy"))
    assert "normalise: true" in refusal(stranger)
    change(stranger, "manifest:", "normalise: true\nmanifest:")
    after = open_foreign(stranger / "store.yaml")
    after.prepare(stranger / "cache")
    found = after.space(stranger / "cache").vectors["ecg"].values
    np.testing.assert_allclose(found, unit, atol=1e-6)


@pytest.mark.parametrize(
    ("score", "said"), [("late", "reads tokens"), ("cosin", "did you mean 'cosine'")]
)
def test_a_score_that_single_vectors_cannot_have_is_refused(stranger, score, said):
    change(stranger, "manifest:", f"score: {score}\nmanifest:")
    assert said in refusal(stranger)


def test_a_score_without_trained_numbers_is_taken(stranger):
    change(stranger, "manifest:", "score: volume\nmanifest:")
    store = open_foreign(stranger / "store.yaml")
    store.prepare(stranger / "cache")
    space = store.space(stranger / "cache")
    assert space.score == space.scorer.score.name == "volume"


def test_the_space_is_the_one_it_was_written_from_and_is_mapped(stranger):
    store = open_foreign(stranger / "store.yaml")
    store.prepare(stranger / "cache")
    space, expected = store.space(stranger / "cache"), make_space(n=60)
    assert space.model == "given"
    assert space.rows.ids == expected.rows.ids
    assert space.rows.splits == expected.rows.splits
    for key, vectors in expected.vectors.items():
        assert isinstance(space.vectors[key].values, np.memmap)
        assert space.vectors[key].ids == vectors.ids
        np.testing.assert_array_equal(space.vectors[key].values, vectors.values)
    np.testing.assert_array_equal(space.vectors["ecg"].features, expected.vectors["ecg"].features)
    for text, vector in expected.texts["report"].items():
        np.testing.assert_allclose(space.texts["report"][text], vector, atol=1e-6)


def test_rows_in_another_order_and_format_give_the_same_space(stranger, tmp_path):
    expected = make_space(n=60).vectors["ecg"]
    order = np.random.default_rng(0).permutation(60)
    table = pa.table({
        "id": [expected.ids[n] for n in order],
        "embedding": pa.array(expected.values[order].tolist(), pa.list_(pa.float32())),
        "content_sha256": [f"c{n}" for n in order],
    })  # fmt: skip
    pa.parquet.write_table(table, stranger / "ecg.parquet")
    change(stranger, "ecg.npy, ids: ecg.txt, features: ecg-features.npy", "ecg.parquet#embedding")
    store = open_foreign(stranger / "store.yaml")
    store.prepare(tmp_path / "cache")
    found = store.space(tmp_path / "cache").vectors["ecg"]
    assert isinstance(found.values, np.memmap)
    assert found.ids == expected.ids
    assert found.digests == tuple(f"c{n}" for n in range(60))
    np.testing.assert_allclose(found.values, expected.values, atol=1e-6)


def test_missing_prompts_are_refused_and_given_ones_pass(stranger):
    store = open_foreign(stranger / "store.yaml")
    store.prepare(stranger / "cache")
    space = store.space(stranger / "cache")
    assert store.with_texts(space, {"report": ["class c1"]}) is space
    with pytest.raises(Refusal, match=r"E-EMB-011 store.yaml: prompts.report has no vector of 1"):
        store.with_texts(space, {"report": ["class c1", "a new class"]})


def test_the_digest_follows_content_and_not_name_or_place(stranger, tmp_path):
    first = open_foreign(stranger / "store.yaml")
    moved = stranger.rename(tmp_path / "moved")
    change(moved, "manifest:", "name: other\nmanifest:")
    second = open_foreign(moved / "store.yaml")
    assert (second.name, second.digest) == ("other", first.digest)
    rows = (moved / "rows.csv").read_text()
    (moved / "rows.csv").write_text(rows.replace("c1", "c2", 1))
    assert open_foreign(moved / "store.yaml").digest != first.digest


def test_numbers_are_checked_once(stranger):
    store = open_foreign(stranger / "store.yaml")
    store.prepare(stranger / "cache")
    (marker,) = (stranger / "cache").rglob("checked.json")
    assert json.loads(marker.read_text()) == {"ecg": True, "ecg.features": True, "report": True}
    np.save(stranger / "ecg.npy", np.full((60, 12), np.nan, np.float32))
    store.prepare(stranger / "cache")  # the very store that was checked; a changed one has another
    with pytest.raises(Refusal, match="E-EMB-008"):
        open_foreign(stranger / "store.yaml").prepare(stranger / "cache")
