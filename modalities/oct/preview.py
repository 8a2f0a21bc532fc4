"""Draws the small picture of a volume that reports and notebooks show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.modality import Sample

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def preview(sample: Sample) -> Figure:
    """Return the middle B-scan and the mean over depth, 3 x 2 inches."""
    from matplotlib.figure import Figure

    volume = sample.data[0]
    real = volume if sample.valid is None else volume[sample.valid[0].any(axis=(1, 2))]
    figure = Figure(figsize=(3, 2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.imshow(real[len(real) // 2], cmap="gray", vmin=0, vmax=1, aspect="auto")
    left.set_title("B-scan", fontsize=7)
    right.imshow(real.mean(axis=1), cmap="gray", aspect="auto")
    right.set_title("en face", fontsize=7)
    for axes in (left, right):
        axes.set_axis_off()
    return figure
