"""Fusions by name: one vector from whichever modalities of a row are present."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from workbench.fuse_config import FuseConfig
from workbench.seeding import derive_seed

if TYPE_CHECKING:
    from pipelines.fusion.fusion import Fusion

__all__ = ["FUSIONS", "build_fusions"]

FUSIONS: Mapping[str, str] = {
    "mean": "pipelines.fusion.mean:Mean",
    "gated": "pipelines.fusion.gated:Gated",
    "agreement": "pipelines.fusion.agreement:Agreement",
    "stochastic": "pipelines.fusion.stochastic:Stochastic",
}
"""`how:` in the pipeline file to "module:Class"; a class is imported when it is used."""


def build_fusions(fuse: Mapping[str, FuseConfig], dim: int, *, seed: int) -> dict[str, Fusion]:
    """Return the fusion of every fused name, first weights drawn from the seed and the name.

    Args:
        fuse: `align.fuse` of the pipeline file.
        dim: width of the shared space.
        seed: the run's seed.
    """
    import torch

    found: dict[str, Fusion] = {}
    for name, config in fuse.items():
        module, _, attribute = FUSIONS[config.how].partition(":")
        torch.manual_seed(derive_seed(seed, "fusion", name) % 2**63)
        found[name] = getattr(importlib.import_module(module), attribute)(config, dim)
    return found
