from __future__ import annotations

import torch

from modalities.oct import OCT, OctOptions
from modalities.oct.encoders import standardise
from workbench.modality import Batch, Weights

INPUT = OctOptions(size=(12, 64, 64))


def tiny():
    torch.manual_seed(0)
    entry = OCT.encoders["vit3d_tiny"]
    return entry.build(entry.options(), Weights(), INPUT)


def test_tokens_match_patches_and_blocks_are_in_order() -> None:
    encoder = tiny()
    values = torch.rand(2, 1, 12, 64, 64)
    features = encoder(Batch(values))
    assert features.pooled.shape == (2, encoder.width)
    assert features.tokens.shape[:2] == encoder.patchify(values).shape[:2] == (2, 64)
    assert encoder.blocks()[0] is encoder.stem
    names = [name for name, _ in encoder.named_modules()]
    assert all(any(name.endswith(t) for name in names) for t in encoder.lora_targets)


def test_a_volume_is_encoded_as_if_alone_and_padding_is_left_out() -> None:
    encoder = tiny()
    values = torch.rand(3, 1, 12, 64, 64)
    valid = torch.ones(3, 1, 12, 1, 1, dtype=torch.bool)
    valid[1, :, 3:] = False
    both = encoder(Batch(values, valid)).pooled
    for row in range(3):
        one = Batch(values, valid).select(slice(row, row + 1))
        torch.testing.assert_close(encoder(one).pooled[0], both[row], atol=1e-5, rtol=1e-4)
    unmasked = encoder(Batch(values[1:2])).pooled[0]
    assert (unmasked - both[1]).abs().max() > 1e-3


def test_what_lies_in_frames_that_are_not_valid_changes_nothing() -> None:
    encoder = tiny()
    values = torch.rand(1, 1, 12, 64, 64)
    valid = torch.ones(1, 1, 12, 1, 1, dtype=torch.bool)
    valid[:, :, 6:] = False
    changed = values.clone()
    changed[:, :, 8:] = torch.rand(1, 1, 4, 64, 64)
    one, two = encoder(Batch(values, valid)), encoder(Batch(changed, valid))
    torch.testing.assert_close(one.pooled, two.pooled, atol=1e-4, rtol=1e-3)


def test_brightness_is_taken_out() -> None:
    values = torch.rand(2, 1, 3, 16, 16)
    torch.testing.assert_close(
        standardise(Batch(values)), standardise(Batch(values * 0.7 + 0.1)), atol=5e-3, rtol=0
    )


def test_other_shapes_than_the_built_one_interpolate_positions() -> None:
    assert tiny()(Batch(torch.rand(1, 1, 7, 40, 96))).tokens.shape == (1, 3 * 3 * 6, 64)


def test_lora_wraps_and_changes_nothing_at_first() -> None:
    import peft

    encoder = tiny()
    batch = Batch(torch.rand(2, 1, 12, 64, 64))
    before = encoder(batch).pooled
    config = peft.LoraConfig(target_modules=list(encoder.lora_targets), r=4)
    wrapped = peft.inject_adapter_in_model(config, encoder)
    torch.testing.assert_close(wrapped(batch).pooled, before)
    trained = [name for name, p in wrapped.named_parameters() if p.requires_grad]
    assert any("stem.2.lora_A" in name for name in trained)
    assert all("lora_" in name for name in trained)
