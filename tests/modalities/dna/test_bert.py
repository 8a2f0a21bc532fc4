from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from modalities.dna import DNA
from modalities.dna.bert import BarcodeBert, KmerTokens, merge_lora, published_key
from modalities.dna.entries import BertOptions
from modalities.dna.kmers import tokenize
from modalities.dna.synth import lineage
from workbench.errors import Refusal
from workbench.modality import Sample, Weights

OPTIONS = DNA.options()
SMALL = {"width": 16, "depth": 2, "heads": 2}
ENTRY = DNA.encoders["barcodebert"]
SAMPLES = [Sample(lineage("Aedes aegypti")), Sample(lineage("Ixodes ricinus")[:402])]


def build(weights="scratch", **options):
    torch.manual_seed(0)
    return ENTRY.build(BertOptions(**(SMALL | options)), Weights(str(weights)), OPTIONS)


@pytest.mark.parametrize(
    ("options", "field"),
    [({"leading": "cls"}, "leading"), ({"positions": 100}, "max_length"), ({"heads": 3}, "heads")],
)
def test_contradictions_are_refused(options, field):
    with pytest.raises(Refusal) as caught:
        build(**options)
    assert caught.value.field == field


def test_weights_that_do_not_fit_are_listed(tmp_path):
    state = {f"bert.{k}": v.clone() for k, v in build().bert.state_dict().items()}
    state.pop("bert.encoder.layer.1.output.dense.bias")
    state["bert.surprise"] = torch.zeros(2)
    state["bert.embeddings.word_embeddings.weight"] = torch.zeros(259, 16)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(Refusal) as caught:
        build(tmp_path)
    for word in ("missing", "unexpected (surprise", "reshaped", "word_embeddings"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "prefix", ["bert.", "module.bert.", "", "dna_encoder.base_dna_encoder.bert."]
)
def test_published_keys_load_under_every_prefix(tmp_path, prefix):
    source = build()
    with torch.no_grad():
        for weight in source.parameters():
            weight.normal_()
    state = {prefix + key: value.clone() for key, value in source.bert.state_dict().items()}
    state[prefix.replace("bert.", "") + "classifier.weight"] = torch.zeros(256, 16)
    state[prefix + "embeddings.position_ids"] = torch.arange(512)[None]
    save_file(state, tmp_path / "model.safetensors")
    batch = DNA.collate(SAMPLES, OPTIONS)
    assert torch.equal(build(tmp_path)(batch).pooled, source.eval()(batch).pooled)


def test_clibd_updates_are_merged_into_what_they_wrap():
    low, high = torch.randn(2, 4), torch.randn(4, 2)
    stem = "bert.encoder.layer.0.attention.self.query"
    merged = merge_lora({
        f"{stem}.w.weight": torch.eye(4), f"{stem}.w.bias": torch.ones(4),
        f"{stem}.w_a.weight": low, f"{stem}.w_b.weight": high,
    })  # fmt: skip
    assert sorted(merged) == [f"{stem}.bias", f"{stem}.weight"]
    assert torch.allclose(merged[f"{stem}.weight"], torch.eye(4) + high @ low)


def test_other_towers_are_left_out():
    assert published_key("image_encoder.base_image_encoder.norm.weight") is None
    assert published_key("logit_scale") is None


@pytest.mark.parametrize(
    ("k", "vocabulary"), [(4, "barcodebert"), (5, "clibd"), (6, "barcodebert")]
)
def test_tokens_in_the_model_equal_the_public_function(k, vocabulary):
    batch = DNA.collate(SAMPLES, OPTIONS)
    ids = KmerTokens(BertOptions(k=k, vocabulary=vocabulary))(batch.values)
    for row, sample in zip(ids, SAMPLES, strict=True):
        expected = tokenize(sample.data, k=k, vocabulary=vocabulary, length=660)
        assert row.tolist() == expected.tolist()


def test_clibd_sees_133_tokens_and_returns_132():
    encoder = build(k=5, vocabulary="clibd", leading="mask", pooling="compat")
    seen = []
    encoder.bert.register_forward_pre_hook(
        lambda _m, _a, kw: seen.append(kw["input_ids"]), with_kwargs=True
    )
    features = encoder(DNA.collate(SAMPLES, OPTIONS))
    assert seen[0].shape == (2, 133)
    assert seen[0][:, 0].tolist() == [0, 0]
    assert features.tokens.shape == (2, 132, 16)


def test_padding_changes_compat_pooling_only():
    longer = DNA.options(max_length=1200)
    for pooling, same in (("masked", True), ("compat", False)):
        encoder = build(pooling=pooling)
        a = encoder(DNA.collate(SAMPLES, OPTIONS)).pooled[1]
        b = encoder(DNA.collate(SAMPLES, longer)).pooled[1]
        assert torch.allclose(a, b, atol=1e-5) is same


def test_attention_mask_ends_at_whole_tokens():
    features = build()(DNA.collate(SAMPLES, OPTIONS))
    assert features.token_valid.sum(dim=1).tolist() == [164, 100]


def test_published_size_is_the_released_4_4_4():
    with torch.device("meta"):
        encoder = BarcodeBert(BertOptions())
    assert encoder.bert.config.num_hidden_layers == 4
    assert encoder.bert.config.num_attention_heads == 4
    assert encoder.bert.embeddings.word_embeddings.weight.shape == (258, 768)
    assert encoder.bert.embeddings.position_embeddings.weight.shape == (512, 768)


def test_tokens_and_patches_agree():
    encoder = build(k=5)
    batch = DNA.collate(SAMPLES, OPTIONS)
    assert encoder.patchify(batch.values).shape == (2, 132, 5)
    assert encoder(batch).tokens.shape[1] == 132
    assert len(encoder.blocks()) == 3
