"""What a modality's encoders return: features of the declared width, one sample at a time."""

import copy

import pytest

from workbench.errors import Failure
from workbench.modality import Batch, Weights

ROWS = 2
LARGEST = 30_000_000
TOLERANCE = 1e-4


_LAST: dict = {}


@pytest.fixture
def built(case, encoder, encoder_options):
    """Return (encoder, features of the batch, batch); the last one is kept for the next test."""
    import torch

    if (case.name, encoder) in _LAST:
        return _LAST[case.name, encoder]
    _LAST.clear()
    entry = case.modality.encoders[encoder]
    if "scratch" not in entry.weights:
        pytest.skip("needs published weights")
    torch.manual_seed(0)
    tower = entry.build(encoder_options(case.name, entry), Weights(), case.options)
    count = sum(p.numel() for p in tower.parameters())
    if count > LARGEST:
        pytest.skip(f"{count / 1e6:.0f} M parameters, too large to test on a processor")
    batch = case.modality.collate(list(case.samples.values())[:ROWS], case.options)
    with torch.inference_mode():
        _LAST[case.name, encoder] = tower, tower(batch), batch
    return _LAST[case.name, encoder]


def test_features_have_the_declared_width(built, case, encoder, encoder_options):
    import torch

    tower, features, batch = built
    assert not tower.training
    assert features.pooled.shape == (len(batch), tower.width)
    assert torch.isfinite(features.pooled).all()
    assert len(features.pooled.unique(dim=0)) == len(batch), "findings look alike"
    if features.tokens is None:
        with pytest.raises(Failure):
            tower.patchify(batch.values)
    else:
        patches = tower.patchify(batch.values)
        assert features.tokens.shape[:2] == patches.shape[:2]
        assert patches.shape[0] == len(batch)
        valid = features.token_valid
        assert valid is None or (valid.shape == patches.shape[:2] and valid.dtype == torch.bool)
    entry = case.modality.encoders[encoder]
    torch.manual_seed(0)
    again = entry.build(encoder_options(case.name, entry), Weights(), case.options)
    same = zip(tower.state_dict().values(), again.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in same), "weights do not follow the seed"


def test_a_sample_does_not_depend_on_its_batch_mates(built, case):
    import torch

    tower, features, _ = built
    for n, sample in enumerate(list(case.samples.values())[:ROWS]):
        with torch.inference_mode():
            alone = tower(case.modality.collate([sample], case.options))
        torch.testing.assert_close(
            alone.pooled[0], features.pooled[n], atol=TOLERANCE, rtol=TOLERANCE
        )


def test_a_sample_does_not_depend_on_what_lies_in_its_padding(built):
    import torch

    tower, features, batch = built
    if batch.valid is None or bool(batch.valid.all()):
        pytest.skip("these samples need no padding")
    valid = batch.valid.expand(batch.values.shape)
    filler = batch.values[valid][0]
    with torch.inference_mode():
        again = tower(Batch(batch.values.where(valid, filler), batch.valid))
    torch.testing.assert_close(again.pooled, features.pooled, atol=TOLERANCE, rtol=TOLERANCE)


def test_it_has_blocks_and_trains(built):
    tower, _, batch = built
    blocks = tower.blocks()
    inside = set(tower.modules())
    assert len(blocks) > 0
    assert all(block in inside for block in blocks)
    tower = copy.deepcopy(tower).requires_grad_(True)
    blocks = tower.blocks()
    tower(batch).pooled.square().sum().backward()
    assert all(any(p.grad is not None for p in block.parameters()) for block in blocks)


def test_lora_wraps_its_targets_and_starts_from_the_same_function(built):
    import torch

    from pipelines.lora import with_lora
    from workbench.config import LoraConfig

    tower, features, batch = built
    assert tower.lora_targets
    wrapped = with_lora(copy.deepcopy(tower), LoraConfig(rank=2, alpha=4)).eval()
    names = [n for n, p in wrapped.named_parameters() if p.requires_grad]
    assert names
    assert all("lora_" in n for n in names)
    for target in tower.lora_targets:
        assert any(f".{target}.lora_A" in n or f".{target}.lora_embedding" in n for n in names), (
            target
        )
    with torch.inference_mode():
        torch.testing.assert_close(wrapped(batch).pooled, features.pooled, atol=1e-6, rtol=1e-6)


def test_it_encodes_a_masked_batch_where_it_can_be_pretrained(built, case):
    import torch

    from workbench.seeding import keyed_rng

    tower, features, batch = built
    if features.tokens is None:
        pytest.skip("has no tokens")
    masked = case.modality.mask(batch, keyed_rng("mask"), case.options, ratio=0.5)
    with torch.inference_mode():
        again = tower(masked.batch)
    assert again.tokens.shape == features.tokens.shape
    assert torch.isfinite(again.pooled).all()
