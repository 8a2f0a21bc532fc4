"""Draws a barcode as coloured bars, the way barcode databases show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from modalities.dna.alphabet import LETTERS, UNKNOWN
from workbench.modality import Sample

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#2ca02c", "#1f77b4", "#222222", "#d62728", "#dddddd")
"""A green, C blue, G black, T red, N grey."""
ROW_BP = 110


def draw(sample: Sample) -> Figure:
    """Return a figure of 3 x 2 inches, 110 bases per row."""
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    codes = sample.data
    rows = max(-(-len(codes) // ROW_BP), 1)
    grid = np.full(rows * ROW_BP, UNKNOWN, dtype=np.uint8)
    grid[: len(codes)] = codes
    figure = Figure(figsize=(3, 2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(
        grid.reshape(rows, ROW_BP), cmap=ListedColormap(COLOURS), vmin=0, vmax=UNKNOWN,
        aspect="auto", interpolation="nearest",
    )  # fmt: skip
    axes.set_yticks(range(rows), [str(row * ROW_BP + 1) for row in range(rows)], fontsize=6)
    axes.set_xticks([])
    axes.set_ylabel("base", fontsize=6)
    handles = [Patch(color=c, label=letter) for c, letter in zip(COLOURS, LETTERS, strict=True)]
    figure.legend(handles=handles, loc="outside upper center", ncols=5, fontsize=6, frameon=False)
    return figure
