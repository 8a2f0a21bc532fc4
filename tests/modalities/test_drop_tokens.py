"""Tokens left out in training: how many, which, and what becomes of their places."""

import pytest
import torch

from modalities.drop_tokens import both, draw_kept, thinned
from modalities.ecg import ECG
from modalities.oct import OCT
from modalities.xray import XRAY
from workbench.modality import Batch, Weights

SIZES = {
    ("ecg", "vit1d_tiny"): (ECG, {}, {"width": 32, "depth": 1}, (12, 1000)),
    ("xray", "cnn_vit_tiny"): (XRAY, {"size": 64, "channels": 1}, {"width": 32}, (1, 64, 64)),
    ("xray", "vit"): (
        XRAY, {"size": 64, "channels": 1}, {"width": 32, "depth": 2, "heads": 2, "patch": 8}, (1, 64, 64),
    ),
    ("oct", "vit3d_tiny"): (OCT, {"size": (6, 64, 64)}, {"width": 32}, (1, 6, 64, 64)),
    ("oct", "octcube_vit"): (
        OCT, {"size": (6, 64, 64)},
        {"width": 32, "depth": 2, "heads": 2, "spatial_grid": (4, 4)}, (1, 6, 64, 64),
    ),
    ("oct", "monai_vit3d"): (
        OCT, {"size": (6, 64, 64)}, {"width": 48, "depth": 2, "heads": 2}, (1, 6, 64, 64),
    ),
}  # fmt: skip


def build(key, drop):
    modality, options, sizes, shape = SIZES[key]
    entry = modality.encoders[key[1]]
    torch.manual_seed(0)
    chosen = entry.options(**sizes, drop_tokens=drop)
    encoder = entry.build(chosen, Weights(), modality.options(**options))
    return encoder, torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=list(SIZES), ids=["-".join(k) for k in SIZES])
def key(request):
    return request.param


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_that_leaves_nothing_or_less_than_nothing_is_refused(key, share):
    with pytest.raises(ValueError, match="drop_tokens"):
        build(key, share)


def test_training_leaves_half_the_tokens_out_in_their_places(key):
    encoder, values = build(key, 0.5)
    torch.manual_seed(3)
    found = encoder.train()(Batch(values))
    total = encoder.patchify(values).shape[1]
    assert found.tokens.shape[:2] == found.token_valid.shape == (3, total)
    assert found.token_valid.sum(dim=1).tolist() == [-(-total // 2)] * 3
    assert torch.equal((found.tokens != 0).any(dim=-1), found.token_valid)
    assert found.pooled.isfinite().all()
    assert not torch.equal(found.token_valid[0], found.token_valid[1])


def test_the_choice_follows_the_seed_of_torch(key):
    encoder, values = build(key, 0.5)
    results = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        results.append(encoder.train()(Batch(values)))
    one, again, other = results
    assert torch.equal(one.token_valid, again.token_valid)
    assert torch.equal(one.pooled, again.pooled)
    assert not torch.equal(one.token_valid, other.token_valid)


def test_outside_training_nothing_is_left_out(key):
    dropping, values = build(key, 0.5)
    plain, _ = build(key, 0.0)
    one, two = dropping.eval()(Batch(values)), plain.eval()(Batch(values))
    assert torch.equal(one.pooled, two.pooled)
    assert torch.equal(one.tokens, two.tokens)


def test_what_is_left_out_does_not_reach_the_kept_tokens():
    """The stem sees neighbours, so the tokens are compared where patches do not overlap."""
    encoder, values = build(("xray", "vit"), 0.5)
    torch.manual_seed(3)
    one = encoder.train()(Batch(values))
    gone = (~one.token_valid).reshape(3, 1, 8, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)
    torch.manual_seed(3)
    two = encoder(Batch(torch.where(gone, 9.0, values)))
    torch.testing.assert_close(one.tokens, two.tokens)
    torch.testing.assert_close(one.pooled, two.pooled)


def test_every_row_keeps_its_share_of_its_own_real_tokens():
    valid = torch.arange(10) < torch.tensor([10, 4, 1, 0])[:, None]
    torch.manual_seed(0)
    kept = draw_kept(torch.zeros(4, 10, 2), valid, 0.5)
    assert kept.places().sum(dim=1).tolist() == [5, 2, 1, 0]
    assert not (kept.places() & ~valid).any()
    assert kept.index.shape == (4, 5)


def test_kept_tokens_stay_in_order_and_come_back_to_their_places():
    x = torch.arange(2 * 7 * 3, dtype=torch.float32).reshape(2, 7, 3) + 1
    valid = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0]]).bool()
    torch.manual_seed(0)
    for mask in (None, valid):
        kept = draw_kept(x, mask, 0.4)
        assert (kept.index.diff(dim=1) > 0).all()
        back = kept.put_back(kept.take(x))
        assert torch.equal(back, x * kept.places()[..., None])


def test_every_token_is_kept_equally_often():
    torch.manual_seed(0)
    kept = draw_kept(torch.zeros(4000, 8, 1), None, 0.75)
    assert (kept.places().float().mean(dim=0) - 0.25).abs().max() < 0.03


def test_a_thinned_block_is_whole_again_afterwards():
    block = torch.nn.Identity()
    x = torch.randn(2, 6, 3)
    with thinned(block, 0.5, tokens=5) as found:
        cut = block(x)
    assert cut.shape == (2, 4, 3)
    assert torch.equal(cut[:, 0], x[:, 0])
    assert torch.equal(cut[:, 1:], found[0].take(x[:, 1:]))
    assert torch.equal(block(x), x)


def test_masks_meet():
    here = torch.tensor([True, False])
    assert both(None, None) is None
    assert both(here, None) is here
    assert both(None, here) is here
    assert both(here, ~here).tolist() == [False, False]
