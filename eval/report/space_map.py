"""Where the vectors of a space lie, flattened to two dimensions without looking at any label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.space import Space
from workbench.seeding import keyed_rng

MOST_POINTS = 1500


def map_of_space(
    space: Space, *columns: str, split: str | None = None, most: int = MOST_POINTS, seed: int = 0
) -> dict[str, Any]:
    """Project the vectors of all modalities together on their first two principal components.

    Exact SVD of the centred vectors in float64; the sign of each component is fixed by its largest
    loading. Above `most` points, rows are drawn from the seed, each with all its modalities, so
    that pairs stay together. Labels colour the points and move none.

    Args:
        space: the vectors.
        columns: label columns written beside a point.
        split: only rows of this split.
        most: most points drawn.
        seed: draws the rows when there are more.

    Returns:
        {"points": [{"x", "y", "modality", "id", "label"}], "explained": [share, share],
        "total": points before drawing}, JSON-ready.
    """
    places = [
        (name, i)
        for name, vectors in space.vectors.items()
        for i, row_id in enumerate(vectors.ids)
        if split is None or _split(space, row_id) == split
    ]
    chosen = _draw_rows(space, places, most, seed)
    if not chosen:
        return {"points": [], "explained": [], "total": 0}
    stacked = np.stack([space.vectors[name].values[i] for name, i in chosen]).astype(np.float64)
    plane, explained = _principal_plane(stacked)
    points = []
    for (name, i), (x, y) in zip(chosen, plane, strict=True):
        row_id = space.vectors[name].ids[i]
        label = _label(space, row_id, columns)
        points.append(
            {"x": round(float(x), 5), "y": round(float(y), 5), "modality": name, "id": row_id,
             "label": label}
        )  # fmt: skip
    return {"points": points, "explained": explained, "total": len(places)}


def _draw_rows(
    space: Space, places: list[tuple[str, int]], most: int, seed: int
) -> list[tuple[str, int]]:
    """Keep the first rows of a seeded order until `most` points are reached."""
    if len(places) <= most:
        return places
    per_row: dict[str, int] = {}
    for name, i in places:
        row_id = space.vectors[name].ids[i]
        per_row[row_id] = per_row.get(row_id, 0) + 1
    rows = sorted(per_row)
    kept: set[str] = set()
    room = most
    for j in keyed_rng(seed, "map of the space").permutation(len(rows)):
        room -= per_row[rows[j]]
        if room < 0:
            break
        kept.add(rows[j])
    return [(name, i) for name, i in places if space.vectors[name].ids[i] in kept]


def _principal_plane(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], list[float]]:
    """Return (N, 2) coordinates and the share of variance of each."""
    centred = values - values.mean(axis=0)
    _, scales, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.where(axes[np.arange(len(axes)), largest] < 0, -1.0, 1.0)[:, None]
    plane = np.zeros((len(values), 2))
    plane[:, : len(axes)] = centred @ axes.T
    total = float((scales**2).sum())
    return plane, [round(float(s**2) / total, 5) if total else 0.0 for s in scales[:2]]


def _split(space: Space, row_id: str) -> str | None:
    position = space.rows.position.get(row_id)
    return None if position is None else space.rows.splits[position]


def _label(space: Space, row_id: str, columns: tuple[str, ...]) -> str:
    position = space.rows.position.get(row_id)
    if position is None:
        return ""
    values = [space.rows.columns[name][position] for name in columns if name in space.rows.columns]
    return " · ".join(value for value in values if value)
