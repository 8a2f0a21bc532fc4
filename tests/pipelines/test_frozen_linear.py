"""Frozen layers run faster: same outputs, same gradients, same modules, names and parameters after."""

import copy

import peft
import pytest
import torch
from torch import nn

from pipelines import frozen_linear
from pipelines.frozen_linear import choose_engine, faster
from pipelines.frozen_weight import Rounded
from pipelines.lora import base_tensors, tensor_digest

FP32 = ["onednn", "torch"]


class Small(nn.Module):
    """Two linear layers, the second adapted, with room for anything between."""

    def __init__(self, bias=True):
        super().__init__()
        self.first = nn.Linear(24, 40, bias=bias)
        self.query = nn.Linear(40, 16, bias=bias)
        self.norm = nn.LayerNorm(16)

    def forward(self, x):
        return self.norm(self.query(nn.functional.gelu(self.first(x))))


def model(*, bias=True, **changes):
    """Return an adapted model whose adapter is not zero."""
    torch.manual_seed(0)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["query"], **changes}
    found = peft.get_peft_model(Small(bias), peft.LoraConfig(**settings))
    with torch.no_grad():
        for name, parameter in found.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    return found.train()


def batch():
    torch.manual_seed(1)
    return torch.randn(3, 7, 24, requires_grad=True)


def outcome(one, *, autocast=False):
    """Return the output and every gradient of one pass, the input's among them."""
    x = batch()
    one.zero_grad()
    torch.manual_seed(2)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        y = one(x)
    (y.float() * torch.randn(y.shape)).sum().backward()
    return [y.detach(), x.grad, *(p.grad.clone() for p in one.parameters() if p.requires_grad)]


def swapped(one, engine, **settings):
    with faster(one, precision="fp32", engine=engine) as swap:
        return outcome(one, **settings), swap


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("engine", FP32)
def test_outputs_and_gradients_equal_pefts(engine, bias):
    one = model(bias=bias)
    plain = outcome(one)
    fast, swap = swapped(one, engine)
    assert (swap.adapters, swap.engine) == (1, engine)
    for found, wanted in zip(fast, plain, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("engine", FP32)
def test_dropout_of_the_adapter_is_pefts_own(engine):
    one = model(lora_dropout=0.5)
    plain, without = outcome(one), outcome(one.eval())
    assert not torch.allclose(plain[0], without[0], atol=1e-2)
    for mode, wanted in ((True, plain), (False, without)):
        fast, _ = swapped(one.train(mode), engine)
        for found, expected in zip(fast, wanted, strict=True):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("autocast", [True, False])
def test_bfloat16_agrees_with_autocast_to_its_rounding(autocast):
    one = model()
    exact, cast = outcome(one), outcome(one, autocast=True)
    with faster(one, precision="bf16") as swap:
        fast = outcome(one, autocast=autocast)
    assert swap.engine == "bf16"
    for found, wanted, truth in zip(fast, cast, exact, strict=True):
        error = (found.float() - truth).norm() / truth.norm()
        assert 0 < error < 2e-2
        assert error < 2 * (wanted.float() - truth).norm() / truth.norm() + 1e-3


def test_layers_that_read_one_tensor_round_it_once():
    rounded, x = Rounded(), torch.randn(4, 3, requires_grad=True) + 1.0
    first = rounded(x)
    assert rounded(x) is first
    with torch.no_grad():
        assert rounded(x) is not first
        x.mul_(2.0)
        assert torch.equal(rounded(x), x.bfloat16())
    assert not torch.equal(rounded(torch.ones(4, 3)), rounded(x))
    del x
    assert rounded.rounded is None


def test_parameters_and_their_gradients_stay_in_float32_under_bfloat16():
    one = model()
    with faster(one, precision="bf16"):
        outcome(one, autocast=True)
    trained = [p for p in one.parameters() if p.requires_grad]
    assert {p.dtype for p in trained} == {p.grad.dtype for p in trained} == {torch.float32}


@pytest.mark.parametrize("engine", [*FP32, "bf16"])
def test_names_digests_and_parameters_are_the_same_inside_and_after(engine):
    one = model()
    names, digest = list(one.state_dict()), tensor_digest(base_tensors(one))
    trained = {id(p) for p in one.parameters() if p.requires_grad}
    wanted = outcome(one)
    with faster(one, precision="fp32", engine=engine):
        outcome(one)
        assert list(one.state_dict()) == names
        assert tensor_digest(base_tensors(one)) == digest
        assert {id(p) for p in one.parameters() if p.requires_grad} == trained
    assert not any("forward" in vars(m) for m in one.modules())
    assert all(torch.equal(a, b) for a, b in zip(outcome(one), wanted, strict=True))


def test_it_is_undone_when_training_fails():
    one = model()
    with pytest.raises(RuntimeError, match="stopped"), faster(one, precision="fp32"):
        raise RuntimeError("stopped")
    assert not any("forward" in vars(m) for m in one.modules())


@pytest.mark.parametrize("engine", FP32)
def test_an_optimiser_that_began_before_goes_on_inside(engine):
    plain, fast = model(), model()
    losses = []
    for one, swap in ((plain, False), (fast, True)):
        optimizer = torch.optim.AdamW([p for p in one.parameters() if p.requires_grad], lr=1e-2)
        found = []
        for step in range(4):
            optimizer.zero_grad()
            if swap and step > 1:
                with faster(one, precision="fp32", engine=engine):
                    loss = one(batch()).square().mean() + one(batch()).sum() * 0.01
            else:
                loss = one(batch()).square().mean() + one(batch()).sum() * 0.01
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        losses.append(found)
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert losses[0][0] != losses[0][3]


def test_nothing_is_kept_for_the_way_back_of_a_frozen_layer():
    layer = nn.Linear(24, 40).requires_grad_(False)
    kept = []
    with (
        faster(layer, precision="fp32", engine="onednn"),
        torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t),
    ):
        layer(batch())
    assert kept == []


@pytest.mark.parametrize("engine", [*FP32, "bf16"])
def test_a_weight_changed_in_place_is_laid_out_anew(engine):
    one = model()
    with faster(one, precision="fp32", engine=engine), torch.no_grad():
        before = one(batch())
        for parameter in one.parameters():
            if not parameter.requires_grad:
                parameter.mul_(1.5)
        after = one(batch())
    with torch.no_grad():
        wanted = one(batch())
    assert not torch.allclose(before, after, atol=1e-2)
    torch.testing.assert_close(after, wanted, atol=0.1 if engine == "bf16" else 1e-5, rtol=1e-2)


def test_a_layer_that_begins_to_train_gets_its_gradient():
    layer = nn.Linear(24, 40).requires_grad_(False)
    with faster(layer, precision="fp32", engine="onednn"):
        layer.weight.requires_grad_(True)
        layer(batch()).sum().backward()
    assert layer.weight.grad is not None


def test_layers_that_train_are_left_alone():
    with faster(Small(), precision="bf16") as swap:
        assert (swap.frozen, swap.adapters) == (0, 0)


def test_disabled_and_merged_adapters_take_pefts_way():
    one = model().eval()
    with torch.no_grad(), one.disable_adapter():
        bare = one(batch())
    adapted = outcome(one)[0]
    with faster(one, precision="fp32", engine="onednn"), torch.no_grad():
        with one.disable_adapter():
            torch.testing.assert_close(one(batch()), bare, atol=1e-5, rtol=1e-5)
        one.merge_adapter()
        torch.testing.assert_close(one(batch()), adapted, atol=1e-5, rtol=1e-5)
        one.unmerge_adapter()


@pytest.mark.parametrize("changes", [{"use_dora": True}, {"lora_bias": True}])
def test_other_kinds_of_adapter_keep_pefts_way_over_a_faster_base(changes):
    one = model(**changes)
    plain = outcome(one)
    with faster(one, precision="fp32", engine="onednn") as swap:
        fast = outcome(one)
    assert swap.adapters == 0
    for found, wanted in zip(fast, plain, strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_an_empty_batch_keeps_its_shape():
    one = model()
    with faster(one, precision="fp32", engine="onednn"):
        assert one(torch.zeros(0, 7, 24)).shape == (0, 7, 16)


@pytest.mark.parametrize(
    ("capability", "checked", "engine"),
    [("AVX512", "onednn", "onednn"), ("AVX512", "torch", "torch"), ("AVX2", "onednn", "torch")],
)
def test_the_engine_follows_the_processor_and_the_self_check(
    monkeypatch, capability, checked, engine
):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(frozen_linear, "engine_name", lambda: checked)
    assert choose_engine("fp32") == engine
    assert choose_engine("bf16") == "bf16"


def test_a_copy_made_inside_still_works_by_itself():
    one = model()
    wanted = outcome(one)
    with faster(one, precision="fp32", engine="torch"):
        state = copy.deepcopy(one.state_dict())
    again = model()
    again.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(outcome(again), wanted, strict=True))


def bert():
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, vocab_size=50,
                        intermediate_size=64, hidden_dropout_prob=0.0,
                        attention_probs_dropout_prob=0.0)  # fmt: skip
    settings = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["query", "value"])
    found = peft.get_peft_model(BertModel(config, add_pooling_layer=False), settings)
    with torch.no_grad():
        for name, parameter in found.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return found.train()


def read(one, *, autocast):
    """Return the hidden states of two texts, one of them padded, and the adapters' gradients."""
    ids = torch.arange(24).reshape(2, 12)
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    one.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        y = one(input_ids=ids, attention_mask=mask).last_hidden_state
    torch.manual_seed(3)
    (y.float() * torch.randn(y.shape)).sum().backward()
    return [y.detach().float(), *(p.grad.clone() for p in one.parameters() if p.requires_grad)]


@pytest.mark.parametrize("engine", FP32)
def test_a_whole_transformer_agrees_in_float32(engine):
    one = bert()
    plain = read(one, autocast=False)
    with faster(one, precision="fp32", engine=engine) as swap:
        fast = read(one, autocast=False)
    assert (swap.frozen, swap.adapters) == ((12, 4) if engine == "onednn" else (4, 4))
    assert f"{swap.frozen} frozen linear layers (4 adapted)" in swap.describe()
    torch.testing.assert_close(fast[0], plain[0], atol=1e-5, rtol=1e-5)
    for found, wanted in zip(fast[1:], plain[1:], strict=True):
        assert (found - wanted).norm() <= 1e-5 * wanted.norm()


def test_a_whole_transformer_agrees_in_bfloat16():
    one = bert()
    exact, cast = read(one, autocast=False), read(one, autocast=True)
    with faster(one, precision="bf16"):
        fast = read(one, autocast=True)
    for found, wanted, truth in zip(fast, cast, exact, strict=True):
        error, usual = ((t - truth).norm() / truth.norm() for t in (found, wanted))
        assert 0 < error < max(2 * usual, 2e-2)
