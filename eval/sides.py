"""Chosen items of a space as sides of a comparison: one modality, or several as one item.

Legend: N items, E shared width, T tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator

from eval.space import Floats, Space, Vectors
from workbench.errors import Failure, Refusal

if TYPE_CHECKING:
    from eval.scores.scorer import Scorer
    from eval.scores.side import Side

Ints = NDArray[np.int64]

JOINT = ","


def _joined(given: Any) -> Any:
    return JOINT.join(map(str, given)) if isinstance(given, (list, tuple)) else given


Names = Annotated[str, BeforeValidator(_joined, json_schema_input_type=str | list[str])]
"""One modality, or a list of them that is searched as one item: [xray, ecg] is "xray,ecg"."""


@dataclass(frozen=True)
class Items:
    """N items in order, of one modality or of several.

    Attributes:
        parts: by modality its vectors, and the (N,) numbers of the items among them, -1 absent.
        tokens: whether sides carry tokens.
    """

    parts: Mapping[str, tuple[Vectors, Ints]]
    tokens: bool

    def __len__(self) -> int:
        return len(next(iter(self.parts.values()))[1])

    def __getitem__(self, numbers: Ints) -> Items:
        """Return some of the items."""
        parts = {name: (vectors, at[numbers]) for name, (vectors, at) in self.parts.items()}
        return Items(parts, self.tokens)

    def side(self) -> Side:
        """Return all items as float64 tensors; ask for blocks, `items[numbers].side()`."""
        import torch

        from eval.scores.side import Side

        vectors, present, tokens, valid = {}, {}, {}, {}
        for name, (given, at) in self.parts.items():
            there = at >= 0
            present[name] = torch.from_numpy(there)
            vectors[name] = torch.from_numpy(_taken(given.values, at, there)).double()
            if self.tokens and given.tokens is not None and given.token_valid is not None:
                tokens[name] = torch.from_numpy(_taken(given.tokens, at, there)).double()
                valid[name] = torch.from_numpy(_taken(given.token_valid, at, there))
        return Side(vectors, present, tokens, valid)

    def weight(self) -> int:
        """Return how many numbers a side holds of each item."""
        size = 0
        for vectors, _ in self.parts.values():
            tokens = vectors.tokens if self.tokens else None
            size += vectors.values.shape[1] + (
                0 if tokens is None else int(np.prod(tokens.shape[1:]))
            )
        return max(1, size)

    def distinct(self) -> tuple[Ints, Ints]:
        """Return the first item of every different content, and which of those each item is.

        Equal items are scored once, so that nothing can tell them apart.
        """
        seen: dict[bytes, int] = {}
        first: list[int] = []
        place = np.empty(len(self), dtype=np.int64)
        for number in range(len(self)):
            key = self._digest(number)
            if key not in seen:
                seen[key] = len(first)
                first.append(number)
            place[number] = seen[key]
        return np.array(first, dtype=np.int64), place

    def _digest(self, number: int) -> bytes:
        found = hashlib.blake2b(digest_size=16)
        for vectors, at in self.parts.values():
            item = at[number]
            found.update(b"+" if item >= 0 else b"-")
            if item < 0:
                continue
            found.update(np.ascontiguousarray(vectors.values[item]).data)
            if self.tokens and vectors.tokens is not None and vectors.token_valid is not None:
                real = np.asarray(vectors.token_valid[item])
                found.update(np.ascontiguousarray(vectors.tokens[item][real]).data)
        return found.digest()


def items_of(space: Space, name: str, ids: Sequence[str]) -> Items:
    """Return the items of some rows, as sides of the space's score."""
    tokens = space.scorer is not None and space.scorer.score.tokens
    parts = {}
    for part in part_names(space, name):
        vectors = space.vectors[part]
        number = {row_id: n for n, row_id in enumerate(vectors.ids)}
        at = np.array([number.get(row_id, -1) for row_id in ids], dtype=np.int64)
        parts[part] = (vectors, at)
    return Items(parts, tokens)


def part_names(space: Space, name: str) -> tuple[str, ...]:
    """Return the modalities that a name stands for, "xray,ecg" for two."""
    parts = tuple(name.split(JOINT))
    joint = len(parts) > 1 and all(part in space.vectors for part in parts)
    return parts if joint else (name,)


def with_joint(space: Space, *names: str) -> Space:
    """Return the space with vectors for every joint name: normalised means of what is present.

    A row has the joint item when it holds at least one of the modalities.

    Raises:
        Refusal: one modality stands on both sides of a search.
    """
    every = [part for name in dict.fromkeys(names) for part in part_names(space, name)]
    if twice := sorted({part for part in every if every.count(part) > 1}):
        raise Refusal(
            "E-CFG-022", file="pipeline", field="evaluate.gallery", found=" in ".join(names),
            expected=f"{twice} on one side only",
        )  # fmt: skip
    made = {
        name: _mean([space.vectors[part] for part in part_names(space, name)])
        for name in names
        if name not in space.vectors and len(part_names(space, name)) > 1
    }
    return replace(space, vectors={**space.vectors, **made}) if made else space


def complete(space: Space, name: str, ids: Sequence[str]) -> NDArray[np.bool_]:
    """Return (N,) whether rows hold every modality of a joint name."""
    parts = items_of(space, name, ids).parts.values()
    return np.asarray(np.all([at >= 0 for _, at in parts], axis=0))


def trained_score(space: Space, asked: str | None) -> Scorer | None:
    """Return the score to rank with; None is plain cosine, which needs no object.

    Raises:
        Refusal: another score is asked for than the model was trained with.
        Failure: the score's numbers were not kept.
    """
    if asked not in (None, space.score):
        raise Refusal(
            "E-CFG-023", file="pipeline", field="evaluate.score", found=asked,
            expected=f"{space.score}, the score the model was trained with",
        )  # fmt: skip
    if space.score == "cosine":
        return None
    if space.scorer is None or space.scorer.score.name != space.score:
        raise Failure(f"the model was trained with score {space.score}, which was not kept with it")
    return space.scorer


def _taken(values: NDArray[Any], at: Ints, there: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the rows at some places, zeros where there is none."""
    found = np.zeros((len(at), *values.shape[1:]), dtype=values.dtype)
    found[there] = values[at[there]]
    return found


def _mean(parts: Sequence[Vectors]) -> Vectors:
    """Return the normalised mean of unit vectors, by row id, in float32."""
    ids = tuple(sorted({row_id for part in parts for row_id in part.ids}))
    number = {row_id: n for n, row_id in enumerate(ids)}
    summed = np.zeros((len(ids), parts[0].values.shape[1]))
    digests: list[list[str]] = [[] for _ in ids]
    for part in parts:
        at = [number[row_id] for row_id in part.ids]
        summed[at] += part.values
        for place, digest in zip(at, part.digests or (), strict=False):
            digests[place].append(digest)
        absent = set(range(len(ids))) - set(at)
        for place in absent:
            digests[place].append("-")
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    values: Floats = (summed / np.where(length > 0, length, 1.0)).astype(np.float32)
    known = all(part.digests is not None for part in parts)
    return Vectors(ids, values, None, tuple(map(JOINT.join, digests)) if known else None)
