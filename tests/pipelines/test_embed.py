"""Stored vectors: readable without the workbench, of unit length, the same in any company."""

import json

import numpy as np
import pyarrow.parquet
import pytest
import safetensors.numpy
import torch

import workbench as wb
from pipelines.batch import shelf
from pipelines.decode import load_decoded
from pipelines.embed import embed_shelf, embed_texts, encode, load_space, save_space


@pytest.fixture
def run(finished):
    return wb.open(finished)


@pytest.fixture
def ecg(run):
    """The ECG shelf of the finished run."""
    folder = next(p for p in run.path.rglob("arrays.bin") if "ecg" in str(p)).parent
    return shelf(run.plan.parts["ecg"], load_decoded(folder), len(run.manifest))


@pytest.mark.parametrize("model", ["trained", "unaligned", "random_frozen-1"])
@pytest.mark.parametrize("key", ["ecg", "report"])
def test_a_stored_space_is_read_by_pyarrow_and_safetensors_alone(finished, model, key):
    folder = finished / "embeddings" / model
    table = pyarrow.parquet.read_table(folder / f"{key}.parquet")
    tensors = safetensors.numpy.load_file(folder / f"{key}.safetensors")
    ids = table.column("id").to_pylist()
    vectors = tensors["vectors"]
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(ids), 8)
    assert tensors["features"].shape[0] == len(ids)
    assert ids == sorted(set(ids))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert all(len(d) == 64 for d in table.column("content_sha256").to_pylist())


def test_a_stored_space_says_what_made_it(finished):
    facts = json.loads((finished / "embeddings" / "trained" / "space.json").read_text())
    assert facts["model"] == "trained"
    assert facts["score"] == "cosine"
    assert facts["dim"] == 8


def test_prompt_vectors_stand_beside_their_texts(finished):
    folder = finished / "embeddings" / "trained"
    texts = json.loads((folder / "report.prompts.json").read_text())
    vectors = safetensors.numpy.load_file(folder / "report.prompts.safetensors")["vectors"]
    assert "ECG shows atrial fibrillation" in texts
    assert vectors.shape == (len(texts), 8)
    assert len(set(texts)) == len(texts)


def test_a_space_comes_back_as_it_was_saved(run, tmp_path):
    save_space(run.space, tmp_path / "again", {"dim": 8})
    found = load_space(tmp_path / "again", run.manifest)
    assert set(found.vectors) == set(run.space.vectors)
    for key, vectors in run.space.vectors.items():
        assert found.vectors[key].ids == vectors.ids
        np.testing.assert_array_equal(found.vectors[key].values, vectors.values)
        np.testing.assert_array_equal(found.vectors[key].features, vectors.features)
    assert set(found.texts["report"]) == set(run.space.texts["report"])


def test_embedding_again_gives_the_stored_vectors(run, ecg):
    again = embed_shelf(run.towers["ecg"], ecg, run.manifest)
    stored = run.space.vectors["ecg"]
    assert again.ids == stored.ids
    np.testing.assert_array_equal(again.values, stored.values)


def test_a_vector_does_not_depend_on_its_batch_mates(run, ecg):
    tower, rows = run.towers["ecg"], ecg.decoded.rows
    whole, _ = encode(tower, ecg.batch(rows))
    for n in (0, 3, len(rows) - 1):
        alone, _ = encode(tower, ecg.batch(rows[n : n + 1]))
        np.testing.assert_allclose(alone[0], whole[n], atol=1e-5)


def test_encoding_leaves_no_graph_and_turns_dropout_off(run, ecg):
    tower = run.towers["ecg"].train()
    first, _ = encode(tower, ecg.batch(ecg.decoded.rows[:2]))
    second, _ = encode(tower, ecg.batch(ecg.decoded.rows[:2]))
    assert not tower.training
    np.testing.assert_array_equal(first, second)
    assert torch.is_grad_enabled()


def test_texts_are_embedded_once_each(run, ecg):
    folder = next(p for p in run.path.rglob("arrays.bin") if "report" in str(p)).parent
    texts = shelf(run.plan.parts["report"], load_decoded(folder), len(run.manifest))
    found = embed_texts(run.towers["report"], texts, ["sinus rhythm", "x", "sinus rhythm"])
    assert set(found) == {"sinus rhythm", "x"}
    assert abs(float(np.linalg.norm(found["x"])) - 1) < 1e-5
