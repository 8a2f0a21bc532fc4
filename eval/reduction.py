"""Fewer dimensions before clustering: principal components, or UMAP where it is installed."""

from __future__ import annotations

import importlib
import importlib.util

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

NEIGHBOURS, UMAP_SEED = 10, 42


def principal(points: Reals, dims: int) -> Reals:
    """Return (n, dims) principal components of (n, W) points, or all W where W is smaller.

    The decomposition is exact; the sign of a component makes its largest loading positive.
    """
    centred = points - points.mean(axis=0)
    small = np.linalg.qr(centred, mode="r") if len(centred) > centred.shape[1] else centred
    axes = np.linalg.svd(small, full_matrices=False)[2][:dims]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return np.asarray(centred @ (axes * np.where(largest < 0, -1.0, 1.0)).T)


def has_umap() -> bool:
    """Return whether UMAP is installed; imports nothing."""
    return importlib.util.find_spec("umap") is not None


def umap(points: Reals, dims: int) -> Reals:
    """Return (n, dims) UMAP of (n, W) points by cosine, with the settings of BarcodeBERT.

    Millan Arias et al., "BarcodeBERT", 2023 (arXiv 2311.02401): 10 neighbours, seed 42.
    """
    made = importlib.import_module("umap").UMAP
    model = made(n_components=dims, n_neighbors=NEIGHBOURS, metric="cosine", random_state=UMAP_SEED)
    return np.asarray(model.fit_transform(points), dtype=np.float64)
