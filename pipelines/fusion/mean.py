"""Fusion by the mean of the present unit vectors."""

from __future__ import annotations

from torch import Tensor

from pipelines.fusion.fusion import Fusion


class Mean(Fusion):
    """Late fusion without a parameter, the yardstick of all others."""

    def combine(self, unit_BMD: Tensor, there_BM: Tensor) -> Tensor:
        """Return the sum, whose direction is the mean's."""
        del there_BM
        return unit_BMD.sum(dim=1)
