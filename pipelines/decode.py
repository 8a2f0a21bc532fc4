"""Decodes every cell once into memory-mapped arrays, quarantining what cannot be trusted."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines import prints
from pipelines.plan import Part
from workbench import registry
from workbench.errors import BadInput
from workbench.files import atomic_write
from workbench.fingerprint import Fingerprint
from workbench.manifest import Manifest
from workbench.modality import Options, Sample, Source

CHUNK = 32
POOL_FROM = 256


@dataclass(frozen=True)
class Decoded:
    """The samples of one modality, on disk.

    Attributes:
        rows: manifest positions that hold a sample, ascending.
        digests: sha256 of each sample's decoded array.
        flags: flags of each sample.
    """

    folder: Path
    rows: NDArray[np.int64]
    digests: tuple[str, ...]
    flags: tuple[tuple[str, ...], ...]
    index: Sequence[Mapping[str, Any]]

    def sample(self, position: int) -> Sample:
        """Return the n-th sample as a view of the memory-mapped file."""
        entry = self.index[position]
        data = self._view(entry["data"])
        valid = self._view(entry["valid"]) if entry["valid"] else None
        return Sample(data, valid, entry["meta"], self.flags[position])

    def _view(self, entry: Mapping[str, Any]) -> NDArray[Any]:
        dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
        if 0 in shape:
            return np.empty(shape, dtype)
        count = int(np.prod(shape))
        flat = np.frombuffer(self._bytes, dtype, count=count, offset=entry["offset"])
        return flat.reshape(shape)

    @cached_property
    def _bytes(self) -> NDArray[np.uint8]:
        return np.memmap(self.folder / "arrays.bin", np.uint8, "r")


@dataclass(frozen=True)
class Outcome:
    """What became of one cell: a sample with its fingerprint, or the fields of its quarantine line."""

    row: int
    sample: Sample | None
    refusal: Mapping[str, str] | None
    fingerprint: Fingerprint = field(default_factory=Fingerprint)


def decode(part: Part, cells: Sequence[str | None], manifest: Manifest, folder: Path) -> None:
    """Decode the present cells of one modality into `folder`.

    Writes arrays.bin, index.json, quarantine.json and the fingerprints. Order never depends on what
    fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index: list[dict[str, Any]] = []
    found: list[Fingerprint] = []
    refused: list[dict[str, Any]] = []
    with open(folder / "arrays.bin", "wb") as stream:
        for outcome in outcomes(part, cells, manifest):
            if outcome.sample is None:
                line = {"id": manifest.ids[outcome.row], "modality": part.key, "stage": "decode"}
                refused.append({**line, **(outcome.refusal or {})})
            else:
                index.append(_append(stream, outcome.row, outcome.sample))
                found.append(outcome.fingerprint)
    prints.save(folder, found)
    atomic_write(folder / "index.json", json.dumps(index).encode())
    atomic_write(folder / "quarantine.json", json.dumps(refused).encode())


def load_decoded(folder: Path) -> Decoded:
    """Open what `decode` wrote."""
    index = json.loads((folder / "index.json").read_text())
    return Decoded(
        folder,
        np.array([e["row"] for e in index], dtype=np.int64),
        tuple(e["digest"] for e in index),
        tuple(tuple(e["flags"]) for e in index),
        index,
    )


def load_quarantine(folder: Path) -> list[dict[str, str]]:
    """Return the quarantine lines of one modality."""
    return list(json.loads((folder / "quarantine.json").read_text()))


def array_digest(sample: Sample) -> str:
    """Return the sha256 of a decoded array, its type and shape."""
    hasher = hashlib.sha256(str((sample.data.dtype.str, sample.data.shape)).encode())
    hasher.update(np.ascontiguousarray(sample.data).tobytes())
    return hasher.hexdigest()


def flag_counts(decoded: Decoded) -> dict[str, int]:
    """Count samples by flag."""
    return dict(sorted(Counter(f for flags in decoded.flags for f in set(flags)).items()))


def read_cell(modality: str, options: Options, row: int, source: Source) -> Outcome:
    """Read one cell; whatever a reader raises becomes a quarantine line, never a crash."""
    reader = registry.modality(modality)
    try:
        sample = reader.read(source, options)
        return Outcome(row, sample, None, reader.fingerprint(sample, options))
    except BadInput as bad:
        return Outcome(row, None, bad.fields())
    except Exception as error:  # a reader's own defect must cost one cell, not the run
        return Outcome(row, None, _unexpected(modality, source, type(error).__name__))


def outcomes(part: Part, cells: Sequence[str | None], manifest: Manifest) -> Iterator[Outcome]:
    """Yield what became of the present cells, in order, from worker processes when there are many."""
    jobs = [(i, Source(c, manifest.root)) for i, c in enumerate(cells) if c is not None]
    modality, options = part.type, part.options
    if len(jobs) < POOL_FROM or registry.modality(modality).spec.cell == "text":
        for row, source in jobs:
            yield read_cell(modality, options, row, source)
        return
    chunks = [jobs[i : i + CHUNK] for i in range(0, len(jobs), CHUNK)]
    for first in range(0, len(chunks), CHUNK):
        yield from _pooled(modality, options, chunks[first : first + CHUNK])


def _pooled(
    modality: str, options: Options, chunks: Sequence[Sequence[tuple[int, Source]]]
) -> Iterator[Outcome]:
    """Read chunks in workers; when a worker dies, read its chunk again one cell at a time."""
    with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:
        futures = [pool.submit(_read_chunk, modality, options, chunk) for chunk in chunks]
        for future, chunk in zip(futures, chunks, strict=True):
            try:
                yield from future.result()
            except BrokenProcessPool:
                for row, source in chunk:
                    yield _read_alone(modality, options, row, source)


def _read_chunk(
    modality: str, options: Options, chunk: Sequence[tuple[int, Source]]
) -> list[Outcome]:
    return [read_cell(modality, options, row, source) for row, source in chunk]


def _read_alone(modality: str, options: Options, row: int, source: Source) -> Outcome:
    """Read one cell in a process of its own, so that a crash costs only that cell."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("fork")) as pool:
        try:
            return pool.submit(read_cell, modality, options, row, source).result()
        except BrokenProcessPool:
            return Outcome(row, None, _unexpected(modality, source, "a crash of the decoder"))


def _unexpected(modality: str, source: Source, found: str) -> dict[str, str]:
    codes = {"xray": "DCM", "oct": "OCT", "ecg": "ECG", "dna": "DNA", "report": "TXT"}
    name = source.name if len(source.name) < 200 and "\n" not in source.name else "inline text"
    family = codes.get(modality) or re.sub("[^A-Z]", "", modality.upper()).ljust(3, "X")
    return BadInput(
        f"E-{family}-999", file=name, field="reader", found=f"unexpected {found}",
        expected="a sample or BadInput", fix="Report this as a defect of the reader.",
    ).fields()  # fmt: skip


def _append(stream: Any, row: int, sample: Sample) -> dict[str, Any]:
    """Write a sample's arrays at the end of the file and return its index entry."""
    meta = {k: v for k, v in sample.meta.items() if k != "text" and _plain(v)}
    return {
        "row": row,
        "digest": array_digest(sample),
        "flags": list(sample.flags),
        "meta": meta,
        "data": _write_array(stream, sample.data),
        "valid": None if sample.valid is None else _write_array(stream, sample.valid),
    }


def _write_array(stream: Any, array: NDArray[Any]) -> dict[str, Any]:
    offset = stream.tell()
    stream.write(np.ascontiguousarray(array).tobytes())
    return {"offset": offset, "dtype": array.dtype.str, "shape": list(array.shape)}


def _plain(value: Any) -> bool:
    """Whether a meta value survives JSON as it is."""
    if isinstance(value, list | tuple):
        return all(_plain(v) for v in value)
    return value is None or isinstance(value, str | bool | int | float)
