"""Number files: refused with file, name, found and expected; mapped, or read in blocks."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from safetensors.numpy import save_file

from pipelines.jobs import arrays
from pipelines.jobs.arrays import mapped_tensor, open_matrix
from workbench.errors import Refusal

VALUES = np.arange(12, dtype=np.float32).reshape(4, 3)


def refusal(folder, reference):
    with pytest.raises(Refusal) as caught:
        list(open_matrix(folder, reference, default="vectors").blocks())
    return str(caught.value)


def write_parquet(path, lists, kind=None):
    column = pa.array(lists, kind or pa.list_(pa.float32()))
    pa.parquet.write_table(pa.table({"vectors": column, "n": list(range(len(lists)))}), path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert refusal(tmp_path, "v.npy").startswith("E-EMB-002 v.npy: file has no such file")


@pytest.mark.parametrize("name", ["v.npy", "v.safetensors", "v.parquet"])
def test_a_damaged_file_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing of the kind")
    assert refusal(tmp_path, name).startswith(f"E-EMB-002 {name}")


def test_another_format_is_refused(tmp_path):
    (tmp_path / "v.pkl").write_bytes(b"x")
    assert "format has .pkl" in refusal(tmp_path, "v.pkl")


def test_objects_in_a_npy_are_never_unpickled(tmp_path):
    np.save(tmp_path / "v.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert refusal(tmp_path, "v.npy").startswith("E-EMB-002")


@pytest.mark.parametrize(
    ("values", "said"),
    [(np.zeros(3, np.float32), "shape has (3,)"), (np.zeros((2, 2), int), "kind of number")],
)
def test_one_axis_and_whole_numbers_are_refused(tmp_path, values, said):
    np.save(tmp_path / "v.npy", values)
    assert said in refusal(tmp_path, "v.npy")


def test_an_unknown_tensor_or_column_is_answered_with_those_there_are(tmp_path):
    save_file({"ecg": VALUES}, tmp_path / "v.safetensors")
    write_parquet(tmp_path / "v.parquet", VALUES.tolist())
    assert "one of ['ecg']" in refusal(tmp_path, "v.safetensors")
    assert "one of ['vectors', 'n']" in refusal(tmp_path, "v.parquet#vector")


@pytest.mark.parametrize("lists", [[[1.0, 2.0], [3.0]], [[1.0], None], [[1.0, None], [1.0, 2.0]]])
def test_rows_of_a_table_must_be_equally_long(tmp_path, lists):
    write_parquet(tmp_path / "v.parquet", lists)
    assert refusal(tmp_path, "v.parquet").startswith("E-EMB-003 v.parquet#vectors: width")


def test_a_column_of_whole_numbers_is_refused(tmp_path):
    write_parquet(tmp_path / "v.parquet", VALUES.tolist())
    assert refusal(tmp_path, "v.parquet#n").startswith("E-EMB-003")


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("suffix", ["npy", "safetensors"])
def test_arrays_are_mapped_and_not_read(tmp_path, kind, suffix):
    path = tmp_path / f"v.{suffix}"
    values = VALUES.astype(kind)
    np.save(path, values) if suffix == "npy" else save_file({"vectors": values}, path)
    matrix = open_matrix(tmp_path, path.name, default="vectors")
    assert isinstance(matrix.mapped, np.memmap)
    assert matrix.shape == (4, 3)
    np.testing.assert_array_equal(matrix.mapped, values)


@pytest.mark.parametrize("kind", [pa.list_(pa.float64()), pa.list_(pa.float32(), 3)])
def test_blocks_hold_every_row_in_order(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(arrays, "BLOCK_ROWS", 3)
    write_parquet(tmp_path / "v.parquet", VALUES.tolist(), kind)
    np.save(tmp_path / "v.npy", VALUES)
    for name in ("v.parquet", "v.npy"):
        blocks = list(open_matrix(tmp_path, name, default="vectors").blocks())
        assert [len(b) for b in blocks] == [3, 1]
        np.testing.assert_array_equal(np.concatenate(blocks), VALUES)


def test_an_empty_tensor_is_no_error(tmp_path):
    save_file({"vectors": np.zeros((0, 8), np.float32)}, tmp_path / "v.safetensors")
    assert mapped_tensor(tmp_path / "v.safetensors", "vectors").shape == (0, 8)
