"""Tests of the site-specific barcode encoder."""

from __future__ import annotations

import pytest
import torch
from invented_gene import gene, relatives
from pydantic import ValidationError
from torch import Tensor

from modalities.dna import DNA
from modalities.dna.alphabet import HIDDEN, UNKNOWN
from modalities.dna.convolution import STRIDE, CoiSites
from modalities.dna.entries import SitesOptions
from modalities.dna.options import DnaOptions
from modalities.dna.registration import COLUMNS, unknown_reference
from workbench.modality import Batch, Weights

LENGTH = 660


def barcode(changes: int = 60, seed: int = 0) -> Tensor:
    """Return the gene with random substitutions, (R,)."""
    draws = torch.Generator().manual_seed(seed)
    codes = gene()
    where = torch.randperm(COLUMNS, generator=draws)[:changes]
    codes[where] = (codes[where] + 1 + torch.randint(0, 3, (changes,), generator=draws)) % 4
    return codes


def batch(*rows: Tensor, length: int = LENGTH) -> Batch:
    """Pad rows with N on the right."""
    values = torch.full((len(rows), length), UNKNOWN)
    for row, codes in enumerate(rows):
        values[row, : len(codes)] = codes
    lengths = torch.tensor([len(codes) for codes in rows])
    return Batch(values, torch.arange(length) < lengths[:, None])


@pytest.fixture
def encoder() -> CoiSites:
    torch.manual_seed(0)
    built = CoiSites(SitesOptions(width=32, hidden=32)).eval()
    built.calibrate([batch(*relatives(12))])
    for name, parameter in built.named_parameters():
        if name.endswith("fc2.weight"):
            torch.nn.init.normal_(parameter, std=0.1)
    return built


def test_options_refuse_a_divergence_beyond_saturation() -> None:
    with pytest.raises(ValidationError, match="divergence"):
        SitesOptions(divergence=0.9)


def test_a_barcode_without_a_known_base_gives_finite_features(encoder: CoiSites) -> None:
    empty = Batch(torch.full((2, 50), UNKNOWN), torch.zeros(2, 50, dtype=torch.bool))
    found = encoder(empty)
    assert torch.isfinite(found.pooled).all()
    assert torch.equal(found.pooled[0], found.pooled[1])
    assert found.token_valid is not None
    assert not found.token_valid.any()


@pytest.mark.parametrize("length", [3, 11, 657, 1500])
def test_any_length_gives_one_token_for_twelve_bases(encoder: CoiSites, length: int) -> None:
    given = batch(barcode()[:length], length=length)
    found = encoder(given)
    assert found.tokens is not None
    assert found.tokens.shape == (1, -(-length // STRIDE), 32)
    assert encoder.patchify(given.values).shape[1] == found.tokens.shape[1]


def test_patchify_keeps_the_bases_in_the_order_given(encoder: CoiSites) -> None:
    values = torch.arange(LENGTH).unsqueeze(0)
    assert torch.equal(encoder.patchify(values).flatten(1), values)


def test_the_other_strand_has_the_same_features_in_reversed_tokens(encoder: CoiSites) -> None:
    codes = barcode()[: 54 * STRIDE]
    forward = encoder(batch(codes, length=len(codes)))
    backward = encoder(batch((3 - codes).flip(0), length=len(codes)))
    torch.testing.assert_close(forward.pooled, backward.pooled)
    torch.testing.assert_close(forward.tokens[:, 1:-1], backward.tokens.flip(1)[:, 1:-1])


def test_bases_before_the_frame_change_nothing(encoder: CoiSites) -> None:
    codes = barcode()
    primer = torch.tensor([1, 2, 1, 2, 1, 0, 1])
    plain, shifted = encoder(batch(codes)), encoder(batch(torch.cat([primer, codes]), length=700))
    torch.testing.assert_close(plain.pooled, shifted.pooled)


def test_padding_and_batch_mates_change_nothing(encoder: CoiSites) -> None:
    short, long = barcode(seed=1)[:400], barcode(seed=2)
    alone = encoder(batch(short, length=400)).pooled
    together = encoder(batch(long, short)).pooled[1:]
    torch.testing.assert_close(alone, together)


def test_what_stands_under_padding_is_not_read(encoder: CoiSites) -> None:
    given = batch(barcode()[:400])
    assert given.valid is not None
    scribbled = Batch(torch.where(given.valid, given.values, 2), given.valid)
    torch.testing.assert_close(encoder(given).pooled, encoder(scribbled).pooled)


def test_a_hidden_base_is_not_read(encoder: CoiSites) -> None:
    one, other = barcode(), barcode()
    other[300] = (one[300] + 2) % 4
    assert not torch.allclose(encoder(batch(one)).pooled, encoder(batch(other)).pooled)
    one[300] = other[300] = HIDDEN
    assert torch.equal(encoder(batch(one)).pooled, encoder(batch(other)).pooled)


def test_the_same_base_elsewhere_is_another_feature(encoder: CoiSites) -> None:
    one, other = gene(), gene()
    one[100], other[400] = (one[100] + 1) % 4, (other[400] + 1) % 4
    pooled = encoder(batch(one, other)).pooled
    assert torch.cosine_similarity(pooled[0], pooled[1], dim=0) < 0.9


def test_nothing_to_calibrate_on_leaves_the_reference_unknown() -> None:
    plain = CoiSites(SitesOptions(width=16))
    before = plain.sites.weight.detach().clone()
    plain.calibrate([])
    assert torch.equal(plain.reference, unknown_reference())
    assert torch.equal(plain.sites.weight, before)
    assert torch.isfinite(plain.eval()(batch(barcode())).pooled).all()


def test_calibration_takes_the_reference_and_silences_its_own_bases(encoder: CoiSites) -> None:
    assert torch.equal(encoder.reference, gene())
    assert not encoder.sites(gene().unsqueeze(0)).any()
    assert encoder.sites(relatives(1)).any()


def test_calibration_reads_neither_padding_nor_the_size_of_batches() -> None:
    rows = relatives(9)
    whole, parts = CoiSites(SitesOptions(width=16)), CoiSites(SitesOptions(width=16))
    whole.calibrate([batch(*rows)])
    padded = [batch(*rows[i : i + 4], length=700 - i) for i in range(0, 9, 4)]
    parts.calibrate(
        Batch(torch.where(one.valid, one.values, 2), one.valid)  # type: ignore[arg-type]
        for one in padded
    )
    assert torch.equal(whole.reference, parts.reference)


def test_the_state_carries_the_reference(encoder: CoiSites) -> None:
    other = CoiSites(SitesOptions(width=32, hidden=32)).eval()
    other.load_state_dict(encoder.state_dict(), strict=True)
    shifted = batch(barcode()[40:])
    assert torch.equal(other(shifted).pooled, encoder(shifted).pooled)


def test_divergence_acts_in_training_only_and_obeys_the_seed() -> None:
    torch.manual_seed(0)
    noisy = CoiSites(SitesOptions(width=32, divergence=0.2))
    given = batch(barcode())
    still = noisy.eval()(given).pooled
    assert torch.equal(still, noisy(given).pooled)
    noisy.train()
    torch.manual_seed(1)
    first = noisy(given).pooled
    torch.manual_seed(1)
    again = noisy(given).pooled
    assert torch.equal(first, again)
    assert not torch.allclose(still, first)


def test_without_divergence_training_and_evaluation_agree() -> None:
    plain = CoiSites(SitesOptions(width=32, divergence=0.0))
    given = batch(barcode())
    assert torch.equal(plain.eval()(given).pooled, plain.train()(given).pooled)


def test_every_weight_but_the_token_head_learns_from_the_pooled_vector(encoder: CoiSites) -> None:
    encoder(batch(barcode(), barcode(seed=3))).pooled.square().sum().backward()
    idle = {name for name, p in encoder.named_parameters() if p.grad is None}
    assert idle == {
        "place",
        "context.weight",
        "context.bias",
        "token_norm.weight",
        "token_norm.bias",
    }


def test_unknown_bases_have_no_weight_of_their_own(encoder: CoiSites) -> None:
    encoder(batch(barcode()[:300])).pooled.sum().backward()
    gradient = encoder.sites.weight.grad
    assert gradient is not None
    assert not gradient[encoder.sites.nothing].any()
    assert gradient.any()


def test_lora_finds_its_targets(encoder: CoiSites) -> None:
    from peft import LoraConfig, get_peft_model

    wrapped = get_peft_model(encoder, LoraConfig(r=4, target_modules=list(encoder.lora_targets)))
    assert sum("lora_A" in name for name, _ in wrapped.named_parameters()) == 3
    assert wrapped(batch(barcode())).pooled.shape == (1, 32)


def test_the_registry_builds_it_in_evaluation_mode() -> None:
    entry = DNA.encoders["coi_sites"]
    built = entry.build(SitesOptions(width=16, depth=2), Weights(), DnaOptions())
    assert not built.training
    assert built.width == 16
    assert len(built.blocks()) == 3
