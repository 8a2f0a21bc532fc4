"""Spaces that cannot know the answer, made from a trained one: all vectors equal, or all queries.

Legend: N items of one modality, E shared width, T tokens.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eval.retrieval import RetrievalOptions
from eval.sides import part_names
from eval.space import Floats, Rows, Space, Vectors
from workbench.modality import Options
from workbench.seeding import derive_seed

TASKS = ("zero_shot", "retrieval", "probe", "knn")
"""The tasks whose numbers have a chance that a blind space must meet."""

CONSTANT = "control:constant"
TEXT_PRIOR = "control:text_prior"
MOST = 1000
"""Groups of each split that a constant space keeps: where all scores tie, ranking takes long."""


def constant(space: Space, seed: int, *, most: int = MOST) -> Space:
    """Return the space of an encoder that gives every item the same vector.

    Args:
        space: the trained one.
        seed: draws the groups that are kept.
        most: groups of each split that are kept.
    """
    rows = _fewer(space.rows, seed, most)
    kept = set(rows.ids)
    width = next(iter(space.vectors.values())).values.shape[1]
    one = np.full(width, 1 / np.sqrt(width), dtype=np.float32)
    return replace(
        space, model=CONSTANT, rows=rows,
        vectors={name: _equal(_part(v, kept), one) for name, v in space.vectors.items()},
        texts={name: dict.fromkeys(texts, one) for name, texts in space.texts.items()},
        text_tokens={name: _equal(v, one) for name, v in space.text_tokens.items()},
    )  # fmt: skip


def text_prior(space: Space, query: str, split: str) -> Space:
    """Return the space in which every query of a split is the mean of them all.

    What is still found, the priors of the classes and of the gallery give alone.

    Args:
        space: the trained one.
        query: the modality that asks; one that is joined of several, by its parts.
        split: whose rows are replaced; a probe still learns from the others.
    """
    asks = {i for i, s in zip(space.rows.ids, space.rows.splits, strict=True) if s == split}
    made = {name: _averaged(space.vectors[name], asks) for name in part_names(space, query)}
    return replace(space, model=TEXT_PRIOR, vectors={**space.vectors, **made})


def can_have_prior(space: Space, options: Options) -> bool:
    """Whether a task asks with one modality for a label, or for items of another modality."""
    fields = set(type(options).model_fields)
    query = getattr(options, "query", None)
    if not isinstance(query, str) or not {"query", "split"} <= fields:
        return False
    if any(part not in space.vectors for part in part_names(space, query)):
        return False
    if isinstance(options, RetrievalOptions):
        return options.gallery != query
    return "gallery" not in fields and getattr(options, "label", None) is not None


def one_way(options: Options) -> list[Options]:
    """Return a task's options once for each direction that it would print."""
    both = isinstance(options, RetrievalOptions) and options.both_directions
    if not isinstance(options, RetrievalOptions) or not both or options.query == options.gallery:
        return [options]
    single = options.model_copy(update={"both_directions": False})
    return [single, single.reversed()]


def _fewer(rows: Rows, seed: int, most: int) -> Rows:
    """Return the rows of at most so many groups of each split, drawn by hash."""
    kept: set[tuple[str, str]] = set()
    for split in set(rows.splits):
        present = {g for g, s in zip(rows.groups, rows.splits, strict=True) if s == split}
        order = sorted(present, key=lambda g: derive_seed(seed, "constant", g))
        kept |= {(split, group) for group in order[:most]}
    chosen = [i for i, at in enumerate(zip(rows.splits, rows.groups, strict=True)) if at in kept]

    ids, groups, splits = (
        tuple(column[i] for i in chosen) for column in (rows.ids, rows.groups, rows.splits)
    )
    columns = {name: [column[i] for i in chosen] for name, column in rows.columns.items()}
    return Rows(ids, groups, splits, columns)


def _part(vectors: Vectors, kept: set[str]) -> Vectors:
    """Return the vectors of some rows; tokens are not carried along."""
    places = [i for i, row_id in enumerate(vectors.ids) if row_id in kept]
    digests = vectors.digests
    tokens = None if vectors.tokens is None else vectors.tokens[:0]
    return Vectors(
        tuple(vectors.ids[i] for i in places), vectors.values[places],
        None if vectors.features is None else vectors.features[places],
        None if digests is None else tuple(digests[i] for i in places), tokens,
    )  # fmt: skip


def _equal(vectors: Vectors, one: Floats) -> Vectors:
    """Return as many items, each with this one vector, and as its one token where it had tokens."""
    count = len(vectors.ids)
    values = np.tile(one, (count, 1))
    features = None if vectors.features is None else np.ones_like(vectors.features)
    if vectors.tokens is None:
        return replace(vectors, values=values, features=features)
    valid = np.ones((count, 1), dtype=bool)
    return replace(
        vectors, values=values, features=features, tokens=values[:, None, :], token_valid=valid
    )


def _averaged(vectors: Vectors, asks: set[str]) -> Vectors:
    """Return the items with those of some rows replaced by their mean."""
    at = np.array([row_id in asks for row_id in vectors.ids], dtype=bool)
    if not at.any():
        return vectors
    values = vectors.values.copy()
    mean = _unit(values[at].mean(axis=0, dtype=np.float64))
    values[at] = mean
    features = None if vectors.features is None else vectors.features.copy()
    if features is not None:
        features[at] = features[at].mean(axis=0, dtype=np.float64)
    if vectors.tokens is None or vectors.token_valid is None:
        return replace(vectors, values=values, features=features)
    tokens, valid = np.array(vectors.tokens, dtype=np.float32), vectors.token_valid.copy()
    real = tokens[at][valid[at]]
    tokens[at], valid[at] = 0.0, False
    tokens[at, 0] = _unit(real.mean(axis=0, dtype=np.float64)) if len(real) else mean
    valid[at, 0] = True
    return replace(vectors, values=values, features=features, tokens=tokens, token_valid=valid)


def _unit(vector: NDArray[np.float64]) -> Floats:
    length = float(np.linalg.norm(vector))
    return (vector / (length if length > 0 else 1.0)).astype(np.float32)
