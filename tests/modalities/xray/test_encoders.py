"""The X-ray encoders: shapes, masks, LoRA, weights from a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from modalities.xray import XRAY, XrayOptions
from workbench.encoder import Encoder
from workbench.errors import Failure, Refusal
from workbench.modality import Batch, Weights

OPTIONS = XrayOptions(normalise="unit", size=64)
TINY_VIT = {"width": 32, "depth": 2, "heads": 2, "patch": 16}


def build(name: str, weights: Weights | None = None, options: XrayOptions = OPTIONS) -> Encoder:
    entry = XRAY.encoders[name]
    shape = entry.options(**(TINY_VIT if name == "vit" else {}))
    torch.manual_seed(0)
    return entry.build(shape, weights or Weights(), options)


def test_a_size_that_patches_do_not_divide_is_refused() -> None:
    with pytest.raises(Failure, match="divide"):
        build("cnn_vit_tiny", options=XrayOptions(normalise="unit", size=60))
    with pytest.raises(Failure, match="divides"):
        build("vit", options=XrayOptions(normalise="unit", size=60))


@pytest.mark.parametrize("name", ["cnn_vit_tiny", "vit"])
def test_tokens_match_patchify_and_rows_do_not_meet(name: str) -> None:
    encoder = build(name)
    values = torch.rand(3, 1, 64, 64)
    features = encoder(Batch(values))
    assert features.pooled.shape == (3, encoder.width)
    assert features.tokens is not None
    assert features.tokens.shape[1] == encoder.patchify(values).shape[1]
    alone = encoder(Batch(values[:1])).pooled
    assert torch.allclose(alone, features.pooled[:1], atol=1e-5)


def test_patchify_keeps_the_place_of_pixels() -> None:
    values = torch.zeros(1, 1, 64, 64)
    values[0, 0, 8:16, 16:24] = 1
    patches = build("cnn_vit_tiny").patchify(values)
    assert patches[0].sum(dim=1).nonzero().flatten().tolist() == [8 + 2]


def test_padding_does_not_change_the_tiny_encoder_s_features() -> None:
    encoder = build("cnn_vit_tiny")
    values, valid = torch.rand(2, 1, 64, 64), torch.ones(2, 1, 64, 64, dtype=torch.bool)
    valid[:, :, :16] = False
    other = torch.where(valid, values, torch.full_like(values, 9.0))
    first, second = encoder(Batch(values, valid)), encoder(Batch(other, valid))
    assert first.token_valid is not None
    assert not first.token_valid[:, :16].any()
    assert torch.allclose(first.pooled, second.pooled, atol=1e-5)


@pytest.mark.parametrize("name", ["cnn_vit_tiny", "vit"])
def test_lora_with_zero_b_equals_the_base_and_trains(name: str) -> None:
    encoder = build(name)
    values = torch.rand(2, 1, 64, 64)
    before = encoder(Batch(values)).pooled.detach()
    adapted = get_peft_model(encoder, LoraConfig(r=4, target_modules=list(encoder.lora_targets)))
    assert torch.allclose(adapted(Batch(values)).pooled, before, atol=1e-6)
    # one feature: the sum of a layer norm's output is constant, its gradient rounding noise
    adapted(Batch(values)).pooled[:, 0].sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in adapted.parameters())
    assert len(build(name).blocks()) >= 2


def test_a_vit_comes_back_from_its_folder_and_another_shape_is_refused(tmp_path: Path) -> None:
    encoder = build("vit")
    encoder.model.save_pretrained(tmp_path)
    values = torch.rand(2, 1, 64, 64)
    loaded = build("vit", Weights(str(tmp_path)))
    assert torch.allclose(loaded(Batch(values)).pooled, encoder(Batch(values)).pooled, atol=1e-5)
    larger = build("vit", Weights(str(tmp_path)), XrayOptions(normalise="unit", size=96))
    assert larger(Batch(torch.rand(1, 1, 96, 96))).tokens.shape[1] == 36
    with pytest.raises(Failure, match="channels"):
        build("vit", Weights(str(tmp_path)), XrayOptions(normalise="more", size=64))


def test_weights_that_are_nowhere_are_refused() -> None:
    with pytest.raises(Refusal):
        build("vit", Weights("no/such/folder/at/all"))
