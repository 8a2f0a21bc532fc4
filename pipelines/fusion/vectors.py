"""Fuses stored vectors: one set per fused name, and one per subset of its modalities.

Legend: N rows, D shared width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from eval.space import Floats, Vectors
from pipelines.fusion.fusion import Fusion
from pipelines.placement import device_of, sent
from workbench.fuse_config import subset_name

Ints = NDArray[np.int64]

BATCH = 1024


def fused_vectors(
    fusions: Mapping[str, Fusion], vectors: Mapping[str, Vectors]
) -> dict[str, Vectors]:
    """Return the vectors of fused names by name, and of their subsets by `subset_name`.

    A fused name has every row that holds any of its modalities. A subset has the rows that hold
    all of it, each fused from these alone: what the model knows when the others are missing.

    Args:
        fusions: by name.
        vectors: unit vectors by modality.
    """
    found: dict[str, Vectors] = {}
    for name, fusion in fusions.items():
        given = {key: vectors[key] for key in fusion.of}
        ids = sorted({row_id for part in given.values() for row_id in part.ids})
        found[name] = _fused(fusion, given, ids)
        for part in fusion.subsets:
            shared = set(ids).intersection(*(given[key].ids for key in part))
            chosen = {key: given[key] for key in part}
            found[subset_name(name, part)] = _fused(fusion, chosen, sorted(shared))
    return found


def _fused(fusion: Fusion, given: Mapping[str, Vectors], ids: Sequence[str]) -> Vectors:
    """Return the fused vectors of some rows, in batches of one size as other vectors are made."""
    at = {key: _places(part, ids) for key, part in given.items()}
    fusion.eval()
    parts = [np.zeros((0, fusion.dim), np.float32)]
    for start in range(0, len(ids), BATCH):
        here = {key: places[start : start + BATCH] for key, places in at.items()}
        emb = {key: _taken(given[key].values, rows, fusion.dim) for key, rows in here.items()}
        present = {key: torch.from_numpy(places >= 0) for key, places in here.items()}
        with torch.inference_mode():
            made, _ = fusion(*sent((emb, present), device_of(fusion)))
        parts.append(made.cpu().numpy())
    return Vectors(tuple(ids), np.concatenate(parts), None, _digests(given, at))


def _places(part: Vectors, ids: Sequence[str]) -> Ints:
    """Return (N,) where each row stands among the vectors of a modality, -1 where it is absent."""
    number = {row_id: n for n, row_id in enumerate(part.ids)}
    return np.array([number.get(row_id, -1) for row_id in ids], dtype=np.int64)


def _taken(values: Floats, places: Ints, dim: int) -> torch.Tensor:
    """Return (N, D) vectors, zeros where a row is absent; there may be none to take."""
    found = np.zeros((len(places), dim), dtype=np.float32)
    found[places >= 0] = values[places[places >= 0]]
    return torch.from_numpy(found)


def _digests(given: Mapping[str, Vectors], at: Mapping[str, Ints]) -> tuple[str, ...] | None:
    """Return digests by which equal combinations of contents are found; None where one lacks."""
    known = {key: part.digests for key, part in given.items() if part.digests is not None}
    if len(known) < len(given):
        return None
    count = len(next(iter(at.values())))
    texts = (
        "\n".join(f"{key}={known[key][at[key][n]]}" for key in known if at[key][n] >= 0)
        for n in range(count)
    )
    return tuple(hashlib.sha256(text.encode()).hexdigest() for text in texts)
