"""A small shared space of specimens with lineages, for the tests of open-world tasks."""

from __future__ import annotations

import numpy as np

from eval.space import Rows, Space, Vectors

SPLITS = ("train", "train", "train", "val_seen", "test_seen", "test_seen")
UNSEEN = ("key_unseen", "key_unseen", "test_unseen", "test_unseen", "test_unseen")


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def taxa_space(noise=0.4, width=10, seed=0, species=6):
    """Two orders, four families, eight genera; the last two species of a genus are unseen."""
    rng = np.random.default_rng(seed)
    rows, centres = [], []
    orders = rng.standard_normal((2, width)) * 2
    for genus in range(8):
        family = orders[genus // 4] + rng.standard_normal(width)
        for kind in range(species):
            own = family + 0.7 * rng.standard_normal(width)
            for split in UNSEEN if kind >= species - 2 else SPLITS:
                rows.append((f"O{genus // 4}", f"F{genus // 2}", f"G{genus}", f"S{kind}", split))
                centres.append(own)
    base = np.array(centres)
    count = len(rows)
    ids = tuple(f"s{i:04d}" for i in range(count))
    vectors = {
        name: Vectors(
            ids, unit(base + noise * rng.standard_normal(base.shape)),
            base.astype(np.float32), tuple(f"{name}-{i}" for i in range(count)),
        )
        for name in ("dna", "image")
    }  # fmt: skip
    names = ("order", "family", "genus", "species")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    splits = tuple(row[4] for row in rows)
    return Space("trained", vectors, Rows(ids, ids, splits, columns), {})
