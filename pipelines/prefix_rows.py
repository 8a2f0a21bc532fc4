"""Keeps one array per sample on disk so that no kill, tear or change can make it lie."""

from __future__ import annotations

import json
import os
import shutil
import weakref
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workbench.errors import Failure
from workbench.files import atomic_write

Places = NDArray[np.int64]
StoredDtype = Literal["fp32", "fp16", "bf16"]

DTYPES: Mapping[StoredDtype, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}
_KINDS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_RECORD = np.dtype(
    [("offset", "<i8"), ("length", "<i4"), ("input", "<u4"), ("data", "<u4"), ("kind", "<u4")]
)
"""Where a row lies, its length along the first axis, the CRC-32 of the batch row it came from and
of its own bytes, and 1 + the number of the dtype it was computed in; kind 0 is absent."""


class RowStore:
    """Arrays of equal trailing shape by place, appended to one file and found by an index.

    A row is appended, then indexed, so what the index names is complete after a killed process; its
    check value tells after a lost machine. Whatever fails a check counts as absent. One process at
    a time may use a folder.

    Args:
        folder: holds `rows.bin`, `index.bin` and `key.json`; emptied when the key differs.
        key: what the rows depend on, JSON-ready.
        count: number of places.
        trailing: shape of a row behind its first axis.
        dtype: how elements are stored.
    """

    def __init__(
        self, folder: Path, key: Mapping[str, Any], *, count: int, trailing: Sequence[int],
        dtype: StoredDtype,
    ) -> None:  # fmt: skip
        self.trailing, self.dtype = tuple(trailing), DTYPES[dtype]
        layout = {"count": count, "trailing": list(self.trailing), "dtype": dtype}
        _open_folder(folder, {**key, "layout": layout}, count)
        self.index = np.memmap(folder / "index.bin", _RECORD, "r+", shape=(count,))
        self.checked = np.zeros(count, dtype=bool)
        self.handle = os.open(folder / "rows.bin", os.O_RDWR)
        self.end = os.fstat(self.handle).st_size
        weakref.finalize(self, os.close, self.handle)

    def lengths(self, places: Places) -> NDArray[np.int64]:
        """Return the first-axis length of every row, 0 where absent."""
        record = self.index[places]
        return np.where(record["kind"] > 0, record["length"], 0).astype(np.int64)

    def forget(self, place: int) -> None:
        """Count a row as absent from now on."""
        self.index["kind"][place] = 0
        self.checked[place] = False

    def kind(self, place: int) -> torch.dtype:
        """Return the dtype that a row was computed in."""
        return _KINDS[int(self.index["kind"][place]) - 1]

    def put(self, place: int, row: Tensor, source: int) -> None:
        """Append a row and index it.

        Args:
            place: its position.
            row: (length, *trailing).
            source: check value of the batch row it was computed from.

        Raises:
            Failure: a value is not finite, or too large for the stored dtype.
        """
        stored = row.detach().cpu().to(self.dtype).contiguous()
        if not bool(stored.isfinite().all()):
            raise Failure(
                f"a hidden state is not finite as {self.dtype}; store the prefix in fp32 or bf16, "
                "or look at the sample"
            )
        data = _bytes_of(stored)
        _write_whole(self.handle, data, self.end)
        fields = (self.end, len(row), source, zlib.crc32(data))
        self.index[place] = (*fields, 0)
        self.index["kind"][place] = 1 + _KINDS.index(row.dtype)
        self.end += len(data)
        self.checked[place] = True

    def source(self, place: int) -> int:
        """Return the check value of the batch row that a row was computed from."""
        return int(self.index["input"][place])

    def read(self, place: int, out: Tensor) -> bool:
        """Fill a tensor with a row and return whether it is what was written.

        Args:
            place: its position.
            out: contiguous (length, *trailing) of the stored dtype.
        """
        record = self.index[place]
        data = _bytes_of(out)
        if os.preadv(self.handle, [data], int(record["offset"])) != len(data):
            return False
        if not self.checked[place]:
            self.checked[place] = zlib.crc32(data) == int(record["data"])
        return bool(self.checked[place])


def _bytes_of(tensor: Tensor) -> memoryview:
    return memoryview(tensor.flatten().view(torch.uint8).numpy().data)


def _open_folder(folder: Path, key: Mapping[str, Any], count: int) -> None:
    """Keep the folder when its key is the same and its files are whole; else begin it anew."""
    text = json.dumps(key, sort_keys=True).encode()
    index, named = folder / "index.bin", folder / "key.json"
    whole = index.is_file() and index.stat().st_size == count * _RECORD.itemsize
    whole = whole and (folder / "rows.bin").is_file() and named.is_file()
    if whole and named.read_bytes() == text:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "rows.bin").touch()
    with open(index, "wb") as stream:
        stream.truncate(count * _RECORD.itemsize)
    atomic_write(named, text)


def _write_whole(handle: int, data: memoryview, offset: int) -> None:
    """Write all bytes at an offset; the system may take them in parts."""
    while len(data):
        done = os.pwrite(handle, data, offset)
        data, offset = data[done:], offset + done
