"""Models of a finished run as stores: verified, mapped, equal to what the run itself would load."""

import json
import shutil

import numpy as np
import pytest
from example_stores import changed_run

import workbench as wb
from pipelines.jobs.finished import open_run_stores
from workbench.errors import Refusal


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "run")


def test_a_run_without_vectors_is_refused(copy):
    shutil.rmtree(copy / "embeddings" / "trained")
    with pytest.raises(Refusal, match=r"E-CKP-011 .*finish the run first"):
        open_run_stores(copy)


def test_a_model_that_the_run_has_not_is_refused(finished):
    with pytest.raises(Refusal, match="embeddings/aligned"):
        open_run_stores(finished, "aligned")


def test_a_flipped_bit_is_noticed_before_anything_is_computed(copy):
    path = copy / "embeddings" / "trained" / "ecg.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Refusal, match="E-CKP-005"):
        open_run_stores(copy)[0].prepare(copy)


def test_every_model_is_a_store_the_trained_one_first(finished):
    stores = open_run_stores(finished)
    assert [s.name for s in stores] == ["run", "run/random_frozen-1", "run/unaligned"]
    assert len({s.digest for s in stores}) == 3
    assert [s.model for s in open_run_stores(finished, "unaligned")] == ["unaligned"]
    known = stores[0].provenance
    assert known["run_digest"] == wb.open(finished).plan.digest()
    assert len(known["checkpoint_digest"]) == len(known["data_digest"]) == 64
    assert stores[1].provenance["checkpoint_digest"] == ""


def test_the_space_is_that_of_the_run_and_is_mapped(finished, tmp_path):
    space = open_run_stores(finished)[0].space(tmp_path)
    expected = wb.open(finished).space
    assert space.rows == expected.rows
    assert (space.model, space.score) == ("trained", "cosine")
    for key, vectors in expected.vectors.items():
        assert isinstance(space.vectors[key].values, np.memmap)
        assert (space.vectors[key].ids, space.vectors[key].digests) == (
            vectors.ids,
            vectors.digests,
        )
        np.testing.assert_array_equal(space.vectors[key].values, vectors.values)
        np.testing.assert_array_equal(space.vectors[key].features, vectors.features)
    assert space.texts["report"].keys() == expected.texts["report"].keys()


def test_new_prompts_are_encoded_by_the_trained_towers_and_by_no_control(finished, tmp_path):
    trained, control, _ = open_run_stores(finished)
    texts = {"report": ["sinus rhythm", "something the run was never asked"]}
    space = trained.with_texts(trained.space(tmp_path), texts)
    (alone,) = wb.open(finished).embed("report", ["sinus rhythm"])
    np.testing.assert_allclose(space.texts["report"]["sinus rhythm"], alone, atol=1e-5)
    with pytest.raises(Refusal, match=r"E-EMB-011 .*no vector of 1 texts"):
        control.with_texts(control.space(tmp_path), texts)


def test_the_digest_follows_vectors_and_not_the_folder(finished, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "elsewhere")
    (first, *_), (same, *_) = open_run_stores(finished), open_run_stores(copy)
    (other, *_) = open_run_stores(changed_run(finished, tmp_path / "other", seed=1))
    assert first.digest == same.digest
    assert first.digest != other.digest
    marker = json.loads((copy / "checkpoints" / "stage.json").read_text())
    marker["files"]["objective.safetensors"] = "0" * 64
    (copy / "checkpoints" / "stage.json").write_text(json.dumps(marker))
    assert open_run_stores(copy)[0].digest != first.digest
