"""Opens the number files of a store as rows that are mapped or read block by block.

Legend: N rows, W columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import Refusal

Numbers = NDArray[np.floating[Any]]

BLOCK_ROWS = 4096
KINDS = {"F16": np.float16, "F32": np.float32, "F64": np.float64}


@dataclass(frozen=True)
class Matrix:
    """Rows of numbers on disk.

    Attributes:
        name: how messages call it.
        shape: (N, W).
        mapped: the rows without reading them, where the format allows it; else None.
        blocks: starts over and yields the rows in order, some thousands at a time.
    """

    name: str
    shape: tuple[int, int]
    mapped: Numbers | None
    blocks: Callable[[], Iterator[Numbers]]


def open_matrix(folder: Path, reference: str, *, default: str) -> Matrix:
    """Open (N, W) numbers of a .npy, .safetensors or .parquet file without reading them.

    Args:
        folder: where the reference starts from.
        reference: "FILE", or "FILE#NAME" for a tensor or column by name.
        default: the name that a reference without one means.

    Raises:
        Refusal: no such file or name, another format, not two axes, not floating-point.
    """
    file, _, name = reference.partition("#")
    path = existing(folder, file)
    if path.suffix == ".parquet":
        return _parquet(path, name or default)
    if path.suffix == ".safetensors":
        return _whole(f"{path.name}#{name or default}", mapped_tensor(path, name or default))
    if path.suffix == ".npy":
        return _whole(path.name, _npy(path))
    raise Refusal("E-EMB-002", file=path.name, field="format", found=path.suffix or "no suffix",
                  expected=".npy, .safetensors or .parquet")  # fmt: skip


def existing(folder: Path, name: str) -> Path:
    """Return a file of a store. Raises Refusal when it is not there."""
    path = folder / name
    if not path.is_file():
        raise Refusal("E-EMB-002", file=name, field="file", found="no such file",
                      expected=f"a file, named from the folder {folder.name!r}")  # fmt: skip
    return path


def mapped_tensor(path: Path, name: str) -> Numbers:
    """Return one tensor of a safetensors file as a memory map.

    Raises:
        Refusal: the file is damaged, has no such tensor, or holds another kind of number.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as whole:
            known = sorted(whole.keys())
    except SafetensorError as cause:
        raise Refusal("E-EMB-002", file=path.name, field="safetensors", found=str(cause)[:120],
                      expected="an undamaged file") from None  # fmt: skip
    if name not in known:
        raise _no_name(path, f"tensor {name!r}", known)
    with open(path, "rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        entry = json.loads(stream.read(size))[name]
    if entry["dtype"] not in KINDS:
        raise _not_floats(f"{path.name}#{name}", entry["dtype"])
    kind, shape = KINDS[entry["dtype"]], tuple(entry["shape"])
    if 0 in shape:
        return np.zeros(shape, dtype=kind)
    start = 8 + size + int(entry["data_offsets"][0])
    return np.memmap(path, dtype=kind, mode="r", offset=start, shape=shape)


def _npy(path: Path) -> Numbers:
    try:
        found: Numbers = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as cause:
        raise Refusal("E-EMB-002", file=path.name, field="npy", found=str(cause)[:120],
                      expected="an undamaged array of numbers") from None  # fmt: skip
    return found


def _whole(name: str, values: Numbers) -> Matrix:
    """Return a mapped array as a matrix."""
    if values.ndim != 2:
        raise Refusal("E-EMB-003", file=name, field="shape", found=values.shape,
                      expected="two axes: one row an item")  # fmt: skip
    if values.dtype not in KINDS.values():
        raise _not_floats(name, values.dtype)

    def blocks() -> Iterator[Numbers]:
        for start in range(0, len(values), BLOCK_ROWS):
            yield values[start : start + BLOCK_ROWS]

    return Matrix(name, (values.shape[0], values.shape[1]), values, blocks)


def _parquet(path: Path, name: str) -> Matrix:
    """Return a column of equally long lists of numbers."""
    import pyarrow as pa
    import pyarrow.parquet

    try:
        file = pa.parquet.ParquetFile(path)
    except pa.ArrowInvalid as cause:
        raise Refusal("E-EMB-002", file=path.name, field="parquet", found=str(cause)[:120],
                      expected="an undamaged table") from None  # fmt: skip
    known = file.schema_arrow.names
    if name not in known:
        raise _no_name(path, f"column {name!r}", known)
    kind = file.schema_arrow.field(name).type
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    if not any(is_kind(kind) for is_kind in lists) or not pa.types.is_floating(kind.value_type):
        raise _not_floats(f"{path.name}#{name}", kind)
    label = f"{path.name}#{name}"
    first = next(file.iter_batches(1, columns=[name]), None)
    width = 0 if first is None else len(first.column(0)[0])

    def blocks() -> Iterator[Numbers]:
        for batch in pa.parquet.ParquetFile(path).iter_batches(BLOCK_ROWS, columns=[name]):
            column = batch.column(0)
            flat = column.flatten()
            lengths = set(pa.compute.list_value_length(column).to_pylist())
            if column.null_count or flat.null_count or lengths != {width}:
                raise Refusal("E-EMB-003", file=label, field="width", found=f"lists of {lengths}",
                              expected=f"{width} numbers in every row, none missing")  # fmt: skip
            yield flat.to_numpy(zero_copy_only=False).reshape(len(column), width)

    return Matrix(label, (file.metadata.num_rows, width), None, blocks)


def _no_name(path: Path, what: str, known: list[str]) -> Refusal:
    return Refusal("E-EMB-002", file=path.name, field="name", found=f"no {what}",
                   expected=f"one of {known}, as {path.name}#NAME")  # fmt: skip


def _not_floats(name: str, found: object) -> Refusal:
    return Refusal("E-EMB-003", file=name, field="kind of number", found=found,
                   expected="float16, float32 or float64, a list of them per row in a table")  # fmt: skip
