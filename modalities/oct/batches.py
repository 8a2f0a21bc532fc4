"""Stacks OCT samples into a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from modalities.oct.options import OctOptions
from workbench.modality import Batch, Sample


def collate(samples: Sequence[Sample], options: OctOptions) -> Batch:
    """Return values (B, 1, D, H, W), in the scale of the options, and what is valid.

    `norm25` maps x to (x - 0.25) / 0.25 where x > 0 and leaves zero at zero, as published.
    """
    values = torch.from_numpy(np.stack([sample.data for sample in samples]))
    if options.scale == "norm25":
        values = torch.where(values > 0, (values - 0.25) / 0.25, values)
    if all(sample.valid is None for sample in samples):
        return Batch(values)
    masks = [np.ones((1, 1, 1, 1), bool) if s.valid is None else s.valid for s in samples]
    sides = np.broadcast_shapes(*(mask.shape for mask in masks))
    return Batch(values, torch.from_numpy(np.stack([np.broadcast_to(m, sides) for m in masks])))
