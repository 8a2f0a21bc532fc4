"""Every ECG encoder: masks obeyed, tokens in the order of patchify, local weights loaded strictly."""

from __future__ import annotations

import pytest
import torch

from modalities.ecg import ECG
from modalities.ecg.options import ECGOptions
from workbench.errors import Refusal
from workbench.modality import Batch, Weights

OPTIONS = ECGOptions(seconds=3)
SMALL = {
    "vit1d_tiny": {},
    "vit1d": {"width": 48, "depth": 2, "heads": 4, "stem": 16},
    "resnet1d": {"width": 32},
}


def build(name, weights=Weights(), **options):  # noqa: B008  frozen
    torch.manual_seed(0)
    entry = ECG.encoders[name]
    return entry.build(entry.options(**{**SMALL[name], **options}), weights, OPTIONS)


def batch(rows=3, length=300):
    values = torch.randn(rows, 12, length, generator=torch.Generator().manual_seed(1))
    return Batch(values, torch.ones_like(values, dtype=torch.bool))


def test_every_encoder_is_tested():
    assert set(SMALL) == set(ECG.encoders)


@pytest.mark.parametrize("name", SMALL)
def test_what_is_masked_changes_nothing(name):
    encoder, clean = build(name), batch()
    clean.valid[:, 5] = False
    clean.valid[:, :, 200:] = False
    other = Batch(torch.where(clean.valid, clean.values, torch.tensor(99.0)), clean.valid)
    with torch.no_grad():
        torch.testing.assert_close(encoder(clean).pooled, encoder(other).pooled)


@pytest.mark.parametrize("name", SMALL)
def test_batch_mates_change_nothing(name):
    encoder, many = build(name), batch(5)
    with torch.no_grad():
        alone = encoder(many.select(slice(2, 3))).pooled[0]
        torch.testing.assert_close(encoder(many).pooled[2], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_tokens_match_patchify_and_a_sample_enters_at_its_own_token(name):
    encoder, clean = build(name), batch(1)
    entered = []

    def seen(module, arguments):
        entered.append(arguments[0])

    with torch.no_grad():
        before = encoder(clean)
        patches = encoder.patchify(clean.values)
        assert before.tokens.shape[:2] == patches.shape[:2]
        assert before.pooled.shape == (1, encoder.width)
        for layer in encoder.blocks():
            layer.register_forward_pre_hook(seen)
        encoder(clean)
        quiet = entered[0]
        entered.clear()
        changed = clean.values.clone()
        changed[0, :, 145] += 50.0
        encoder(Batch(changed, clean.valid))
    place = int((encoder.patchify(changed) != patches).any(dim=2)[0].nonzero()[0])
    moved = (entered[0] - quiet).abs()[0]
    moved = moved.sum(dim=1 if moved.shape[1] == encoder.width else 0)
    assert (
        abs(int(moved.argmax()) * len(patches[0]) // len(moved) - place) <= 2
    )  # the second convolution of the stem reaches two tokens


@pytest.mark.parametrize("name", SMALL)
def test_a_length_that_no_patch_divides_is_padded(name):
    encoder, odd = build(name), batch(2, 297)
    with torch.no_grad():
        out = encoder(odd)
    assert out.tokens.shape[1] == encoder.patchify(odd.values).shape[1]
    assert torch.isfinite(out.pooled).all()


@pytest.mark.parametrize("name", SMALL)
def test_a_row_without_any_measurement_stays_finite(name):
    nothing = batch(2)
    nothing.valid[1] = False
    with torch.no_grad():
        assert torch.isfinite(build(name)(nothing).pooled).all()


@pytest.mark.parametrize("name", SMALL)
def test_lora_wraps_the_named_modules_and_starts_as_the_base(name):
    from peft import LoraConfig, get_peft_model

    encoder, clean = build(name), batch()
    with torch.no_grad():
        before = encoder(clean).pooled
        config = LoraConfig(r=4, lora_alpha=8, target_modules=list(encoder.lora_targets))
        wrapped = get_peft_model(encoder, config)
        torch.testing.assert_close(wrapped(clean).pooled, before)
    names = {
        key.split(".lora_A")[0].rsplit(".", 1)[-1]
        for key in wrapped.state_dict()
        if "lora_A" in key
    }
    assert names == {target.rsplit(".", 1)[-1] for target in encoder.lora_targets}


@pytest.mark.parametrize("name", SMALL)
def test_local_weights_load_strictly(name, tmp_path):
    from safetensors.torch import save_file

    encoder, clean = build(name), batch()
    tensors = {key: value.clone() + 0.01 for key, value in encoder.state_dict().items()}
    save_file(tensors, str(tmp_path / "w.safetensors"))
    loaded = build(name, Weights(str(tmp_path / "w.safetensors")))
    assert all(torch.equal(value, tensors[key]) for key, value in loaded.state_dict().items())
    assert torch.isfinite(loaded(clean).pooled).all()
    first = next(iter(tensors))
    tensors["stranger"] = tensors.pop(first)
    save_file(tensors, str(tmp_path / "w.safetensors"))
    with pytest.raises(Refusal, match="stranger") as caught:
        build(name, Weights(str(tmp_path / "w.safetensors")))
    assert first in str(caught.value)


def test_published_sizes():
    with torch.device("meta"):
        from modalities.ecg.encoder_options import ResnetOptions, Vit1dOptions
        from modalities.ecg.encoders import Vit1d
        from modalities.ecg.resnet import Resnet1d

        vit = Vit1d(Vit1dOptions(), 1000)
        resnet = Resnet1d(ResnetOptions())
    assert 85e6 < sum(p.numel() for p in vit.parameters()) < 88e6
    assert vit.positions.shape == (1, 200, 768)
    assert len(vit.blocks()) == 12
    assert (len(resnet.blocks()), resnet.width) == (3, 128)
