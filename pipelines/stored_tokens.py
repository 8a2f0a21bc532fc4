"""Tokens of samples on disk: float16, padded to one length, read back as memory maps.

Legend: N samples, B samples of a batch, T tokens, E shared width.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eval.space import Vectors
from workbench.errors import Failure
from workbench.files import atomic_write


@dataclass(frozen=True)
class Padded:
    """Tokens of some samples.

    Attributes:
        tokens: (B, T, E) float16, of length one, zeros in padding.
        valid: (B, T) bool.
    """

    tokens: NDArray[np.float16]
    valid: NDArray[np.bool_]


def unit_tokens(tokens: Tensor, valid: Tensor) -> Padded:
    """Return (B, T, E) tokens scaled to length one and rounded to float16.

    Rounding moves a cosine of two tokens by at most 1e-3, and by some 1e-5 as a rule; it happens
    once, here, so that ranks do not depend on how a score is computed later.
    """
    unit = torch.nn.functional.normalize(tokens.float(), dim=-1) * valid.unsqueeze(-1)
    return Padded(unit.half().cpu().numpy(), valid.bool().cpu().numpy())


def joined(parts: Sequence[Padded]) -> Padded:
    """Return batches one after another, padded to the longest."""
    count, longest = sum(len(p.valid) for p in parts), max(p.valid.shape[1] for p in parts)
    tokens = np.zeros((count, longest, parts[0].tokens.shape[2]), dtype=np.float16)
    valid = np.zeros((count, longest), dtype=bool)
    start = 0
    for part in parts:
        place = (slice(start, start + len(part.valid)), slice(0, part.valid.shape[1]))
        tokens[place], valid[place] = part.tokens, part.valid
        start += len(part.valid)
    return Padded(tokens, valid)


def save_tokens(vectors: Vectors, path: Path) -> None:
    """Write the tokens of items, where they have any."""
    from safetensors.numpy import save

    if vectors.tokens is None or vectors.token_valid is None:
        return
    tensors = {
        "tokens": np.ascontiguousarray(vectors.tokens),
        "valid": np.ascontiguousarray(vectors.token_valid).astype(np.uint8),
    }
    atomic_write(path, save(tensors))


def load_tokens(vectors: Vectors, path: Path) -> Vectors:
    """Return items with the tokens that stand in a file; without a file they have none.

    Raises:
        Failure: the file holds another number of items.
    """
    if not path.is_file():
        return vectors
    tokens, valid = _mapped(path, "tokens"), _mapped(path, "valid")
    if len(tokens) != len(vectors.ids) or len(valid) != len(vectors.ids):
        raise Failure(f"{path.name}: tokens of {len(tokens)} items, expected {len(vectors.ids)}")
    return replace(vectors, tokens=tokens, token_valid=np.asarray(valid).astype(bool))


def _mapped(path: Path, name: str) -> NDArray[np.float16]:
    """Return one tensor of a safetensors file without reading it."""
    kinds = {"F16": np.float16, "F32": np.float32, "U8": np.uint8}
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(size))[name]
    shape, kind = tuple(entry["shape"]), kinds[entry["dtype"]]
    if 0 in shape:
        return np.zeros(shape, dtype=kind)
    start = 8 + size + int(entry["data_offsets"][0])
    return np.memmap(path, dtype=kind, mode="r", offset=start, shape=shape)
