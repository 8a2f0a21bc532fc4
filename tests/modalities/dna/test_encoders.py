from __future__ import annotations

import numpy as np
import pytest
import torch

from modalities.dna import DNA
from modalities.dna.entries import TinyOptions
from modalities.dna.synth import lineage
from workbench.modality import Sample, Weights

OPTIONS = DNA.options(max_length=321)
SAMPLES = [Sample(lineage("Aedes aegypti")), Sample(lineage("Ixodes ricinus")[:130])]


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return DNA.encoders["kmer_bert_tiny"].build(TinyOptions(), Weights(), OPTIONS)


def test_a_row_does_not_depend_on_its_batch_mates(encoder):
    both = encoder(DNA.collate(SAMPLES, OPTIONS)).pooled
    alone = encoder(DNA.collate(SAMPLES[1:], OPTIONS)).pooled
    assert torch.allclose(both[1:], alone, atol=1e-6)


def test_padding_does_not_change_the_features(encoder):
    short = encoder(DNA.collate(SAMPLES[1:], DNA.options(max_length=130))).pooled
    long = encoder(DNA.collate(SAMPLES[1:], DNA.options(max_length=640))).pooled
    assert torch.allclose(short, long, atol=1e-5)


def test_another_base_changes_the_features(encoder):
    other = SAMPLES[1].data.copy()
    other[60] = (other[60] + 1) % 4
    a = encoder(DNA.collate([SAMPLES[1]], OPTIONS)).pooled
    assert not torch.allclose(a, encoder(DNA.collate([Sample(other)], OPTIONS)).pooled, atol=1e-6)


def test_tokens_patches_and_validity_agree(encoder):
    batch = DNA.collate(SAMPLES, OPTIONS)
    features = encoder(batch)
    assert features.tokens.shape == (2, 81, 64)
    assert encoder.patchify(batch.values).shape == (2, 81, 4)
    assert features.token_valid.sum(dim=1).tolist() == [81, 33]
    assert encoder.patchify(batch.values)[0, :3].flatten().tolist() == SAMPLES[0].data[:12].tolist()


def test_hidden_bases_do_not_leak_into_the_features(encoder):
    batch = DNA.collate(SAMPLES, OPTIONS)
    masked = DNA.mask(batch, np.random.default_rng(0), OPTIONS, ratio=0.5)
    changed = torch.where(masked.hidden, (batch.values + 1) % 4, batch.values)
    again = DNA.mask(
        type(batch)(changed, batch.valid), np.random.default_rng(0), OPTIONS, ratio=0.5
    )
    assert torch.equal(encoder(masked.batch).pooled, encoder(again.batch).pooled)


def test_lora_wraps_every_default_target():
    from peft import LoraConfig, get_peft_model

    fresh = DNA.encoders["kmer_bert_tiny"].build(TinyOptions(), Weights(), OPTIONS)
    batch = DNA.collate(SAMPLES, OPTIONS)
    before = fresh(batch).pooled
    wrapped = get_peft_model(fresh, LoraConfig(r=4, target_modules=list(fresh.lora_targets)))
    assert torch.equal(wrapped(batch).pooled, before)  # B is zero
    names = [name for name, _ in wrapped.named_modules() if name.endswith("lora_A")]
    assert len(names) == 1 + 4 * 2
