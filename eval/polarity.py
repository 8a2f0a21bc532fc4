"""Whether a finding's statement scores above its negation where it is present, and below where not.

Legend: n rows, C findings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eval.rows import Sheet
from eval.weighted import mean

Reals = NDArray[np.float64]


def add_polarity(page: Sheet, margin: Reals, truth: Reals, *, classes: Sequence[str]) -> None:
    """Add the share of (row, finding) pairs with the right sign: all, present, absent, by finding.

    Args:
        page: where rows go.
        margin: (n, C) statement's score less its negation's; 0 counts one half.
        truth: (n, C) 1 present, 0 absent, NaN masked.
        classes: C finding names.
    """
    right = np.where(truth == 1, np.sign(margin), -np.sign(margin)) / 2 + 0.5
    right = np.where(np.isfinite(truth), right, np.nan)
    index, label = page.resampler.index, page.shared.get("label")
    parts = {
        "polarity": right,
        "polarity_present": np.where(truth == 1, right, np.nan),
        "polarity_absent": np.where(truth == 0, right, np.nan),
    }
    rows, columns = truth.shape
    pair_row = np.repeat(np.arange(rows), columns)
    for metric, values in parts.items():
        every = mean(values.reshape(-1), index[pair_row])
        page.add(metric, every, chance=0.5, average="micro")
    for number, name in enumerate(classes):
        column = right[:, number]
        count = int(np.isfinite(column).sum())
        page.add("polarity", mean(column, index), chance=0.5, label=f"{label}={name}", n=count)
