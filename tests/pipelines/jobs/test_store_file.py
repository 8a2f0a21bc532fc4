"""`store.yaml`: mistakes are refused with their place; files are listed once."""

import pytest
from example_stores import STORE

from pipelines.jobs.store_file import read_store_file
from workbench.errors import Refusal


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("modalities:", "modality:", "did you mean 'modalities'"),
        ("ecg.npy, ids: ecg.txt", "ecg.npy", "ids is needed"),
        ("{path: rows.csv}", "{synthetic: clinic}", "manifest.path is needed"),
        ("{path: rows.csv}", "{path: rows.csv, spilt: s}", "did you mean 'split'"),
        (STORE, "- a", "expected keys and values"),
    ],
)
def test_a_mistake_is_refused_with_its_place(tmp_path, old, new, said):
    (tmp_path / "store.yaml").write_text(STORE.replace(old, new))
    with pytest.raises(Refusal) as caught:
        read_store_file(tmp_path / "store.yaml")
    assert said in str(caught.value)
    assert "store.yaml:" in str(caught.value)


def test_a_parquet_needs_no_other_file_for_its_ids(tmp_path):
    text = "manifest: {path: r.csv}\nmodalities: {a: {vectors: a.parquet#v, features: a.parquet#f}}"
    (tmp_path / "store.yaml").write_text(text)
    file = read_store_file(tmp_path / "store.yaml")
    assert file.files() == ["a.parquet"]
    assert (file.score, file.normalise, file.name) == ("cosine", False, None)
