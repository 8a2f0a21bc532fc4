"""A small shared space with known classes, for the tests of the tasks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eval.space import Rows, Space, Vectors

CLASSES = ("c0", "c1", "c2", "c3")


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def make_space(n=240, width=12, noise=0.5, seed=0):
    """Two modalities around four class centres; two rows per patient, split 3:1:1 by patient."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((4, width))
    label = rng.integers(0, 4, n)
    ids = tuple(f"r{i:04d}" for i in range(n))
    base = centres[label] + noise * rng.standard_normal((n, width))
    vectors = {}
    for name in ("ecg", "report"):
        values = unit(base + noise * rng.standard_normal((n, width)))
        features = rng.standard_normal((n, 8)).astype(np.float32)
        features[np.arange(n), label] += 2
        digests = tuple(f"{name}-{i}" for i in range(n))
        vectors[name] = Vectors(ids, values, features, digests)
    splits = tuple(("train", "train", "train", "val", "test")[(i // 2) % 5] for i in range(n))
    columns = {
        "finding": [f"c{k}" for k in label],
        "findings": ["|".join(sorted({f"c{k}", f"c{rng.integers(0, 4)}"})) for k in label],
        "report": [f"Report of class {k}" for k in label],
    }
    groups = tuple(f"p{i // 2}" for i in range(n))
    texts = {f"class c{k}": unit(centres[[k]])[0] for k in range(4)}
    texts |= {f"a {text}": unit(centres[[k]] + 0.4)[0] for k, text in enumerate(list(texts))}
    return Space("trained", vectors, Rows(ids, groups, splits, columns), {"report": texts})


def collapse(space):
    """The space of an encoder that gives every item the same vector."""
    one = unit(np.ones((1, next(iter(space.vectors.values())).values.shape[1])))[0]
    vectors = {
        name: replace(v, values=np.tile(one, (len(v.ids), 1)), features=np.ones_like(v.features))
        for name, v in space.vectors.items()
    }
    texts = {m: dict.fromkeys(given, one) for m, given in space.texts.items()}
    return replace(space, vectors=vectors, texts=texts, model="control:constant")


def shuffle(space, seed=1):
    """The same space with the manifest rows in another order."""
    order = np.random.default_rng(seed).permutation(len(space.rows.ids))
    pick = lambda values: tuple(values[i] for i in order)  # noqa: E731
    rows = Rows(
        pick(space.rows.ids), pick(space.rows.groups), pick(space.rows.splits),
        {name: pick(values) for name, values in space.rows.columns.items()},
    )  # fmt: skip
    return replace(space, rows=rows)
