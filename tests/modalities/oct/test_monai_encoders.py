from __future__ import annotations

import torch

from modalities.oct import OCT, OctOptions
from workbench.modality import Batch, Weights

INPUT = OctOptions(size=(6, 32, 32))


def check(name: str, **size: object) -> None:
    """Build, encode a batch with padding, and compare with each volume alone."""
    torch.manual_seed(0)
    entry = OCT.encoders[name]
    encoder = entry.build(entry.options(**size), Weights(), INPUT)
    values = torch.rand(2, 1, 6, 32, 32)
    valid = torch.ones(2, 1, 6, 1, 1, dtype=torch.bool)
    valid[1, :, 3:] = False
    both = encoder(Batch(values, valid))
    assert both.pooled.shape == (2, encoder.width)
    assert both.tokens.shape[:2] == encoder.patchify(values).shape[:2]
    for row in range(2):
        alone = encoder(Batch(values, valid).select(slice(row, row + 1)))
        torch.testing.assert_close(alone.pooled[0], both.pooled[row], atol=1e-5, rtol=1e-4)
    names = [module for module, _ in encoder.named_modules()]
    for target in encoder.lora_targets:
        assert any(module.endswith(target) for module in names), target
    assert len(encoder.blocks()) >= 3


def test_vit_encodes_each_volume_alone() -> None:
    check("monai_vit3d", width=24, depth=2, heads=2)


def test_swin_encodes_each_volume_alone() -> None:
    check("monai_swin_unetr", width=12, depths=(1, 1, 1, 1), heads=(1, 2, 2, 2))
