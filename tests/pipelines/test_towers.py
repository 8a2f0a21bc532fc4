"""What adaptation promises: zero adapters change nothing, the base never moves, peft can reload."""

import json
from dataclasses import replace

import numpy as np
import peft
import pytest
import torch

from pipelines.lora import adapted, base_tensors, counts, tensor_digest
from pipelines.plan import make_plan
from pipelines.towers import build_encoder, build_tower, load_tower, save_tower
from workbench.config import Lora, LoraConfig, UnlockLast
from workbench.encoder import Encoder, Features
from workbench.errors import Refusal
from workbench.modality import Batch, EncoderEntry, Source, Weights

LORA = Lora(lora=LoraConfig(rank=4, alpha=8))


@pytest.fixture
def part(small_file):
    return make_plan(small_file).parts["ecg"]


@pytest.fixture
def batch(part, tmp_path):
    samples = []
    for i, finding in enumerate(part.modality.findings[:3]):
        cell = part.modality.synthesize(finding.name, np.random.default_rng(i), tmp_path)
        samples.append(part.modality.read(Source(cell, tmp_path), part.options))
    return part.modality.collate(samples, part.options)


def step(module, batch):
    """Take one optimiser step on whatever is trainable."""
    trained = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1.0)
    module.train()
    module(batch).pooled.square().sum().backward()
    optimizer.step()
    return module.eval()


def test_an_unknown_target_is_refused_with_what_could_be_wrapped(part):
    wrong = Lora(lora=LoraConfig(rank=2, alpha=2, targets=("no_such_module",)))
    with pytest.raises(Refusal, match=r"adapt\.lora\.targets"):
        adapted(build_encoder(part, seed=1), wrong)


def test_more_blocks_than_there_are_cannot_be_unlocked(part):
    with pytest.raises(Refusal, match="unlock_last"):
        adapted(build_encoder(part, seed=1), UnlockLast(unlock_last=99))


def test_zero_adapters_equal_the_base_exactly(part, batch):
    with torch.no_grad():
        plain = build_encoder(part, seed=1)(batch).pooled
        wrapped = adapted(build_encoder(part, seed=1), LORA).eval()(batch).pooled
    assert torch.equal(plain, wrapped)


def test_training_adapters_never_moves_the_base(part, batch):
    module = adapted(build_encoder(part, seed=1), LORA)
    before = tensor_digest(base_tensors(module))
    assert before == tensor_digest(base_tensors(build_encoder(part, seed=1)))
    out = module.eval()(batch).pooled
    step(module, batch)
    assert tensor_digest(base_tensors(module)) == before
    assert not torch.equal(module(batch).pooled, out)


def test_merged_and_unmerged_outputs_agree(part, batch):
    module = step(adapted(build_encoder(part, seed=1), LORA), batch)
    with torch.no_grad():
        apart = module(batch).pooled
        merged = module.merge_and_unload()(batch).pooled
    torch.testing.assert_close(merged, apart, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("adapt", "some"), [("full", True), ("frozen", False)])
def test_full_trains_all_and_frozen_none(part, adapt, some):
    module = adapted(build_encoder(part, seed=1), adapt)
    trained, total = counts(module)
    assert trained == (total if some else 0)


def test_unlock_last_trains_the_last_block_only(part):
    encoder = build_encoder(part, seed=1)
    adapted(encoder, UnlockLast(unlock_last=1))
    inside = {id(p) for p in encoder.blocks()[-1].parameters()}
    assert inside == {id(p) for p in encoder.parameters() if p.requires_grad}


def test_a_saved_adapter_is_reloaded_by_peft_alone(part, batch, tmp_path):
    tower = build_tower(part, 8, seed=1)
    step(tower.encoder, batch)
    save_tower(part, tower, tmp_path / "ecg", own_weights=True)
    again = peft.PeftModel.from_pretrained(
        build_encoder(part, seed=1), tmp_path / "ecg" / "adapter"
    )
    with torch.no_grad():
        assert torch.equal(again.eval()(batch).pooled, tower.encoder.eval()(batch).pooled)


def test_a_saved_tower_loads_equal(part, batch, tmp_path):
    tower = build_tower(part, 8, seed=1)
    step(tower.encoder, batch)
    save_tower(part, tower, tmp_path / "ecg", own_weights=True)
    with torch.no_grad():
        assert torch.equal(
            load_tower(part, 8, tmp_path / "ecg", seed=99)(batch), tower.eval()(batch)
        )


def test_another_input_contract_is_refused_field_by_field(part, small_file, tmp_path):
    save_tower(part, build_tower(part, 8, seed=1), tmp_path / "ecg", own_weights=True)
    other = make_plan(small_file, ["modalities.ecg.options.rate_hz=250"]).parts["ecg"]
    with pytest.raises(Refusal, match=r"contract\.json: rate_hz has 250, expected 100"):
        load_tower(other, 8, tmp_path / "ecg", seed=1)


def test_other_base_weights_are_refused(part, tmp_path):
    save_tower(part, build_tower(part, 8, seed=1), tmp_path / "ecg", own_weights=False)
    with pytest.raises(Refusal, match="E-CKP-006"):
        load_tower(part, 8, tmp_path / "ecg", seed=2)


def test_missing_adapter_keys_are_refused_where_peft_only_warns(part, tmp_path):
    from safetensors.torch import load_file, save_file

    save_tower(part, build_tower(part, 8, seed=1), tmp_path / "ecg", own_weights=True)
    path = tmp_path / "ecg" / "adapter" / "adapter_model.safetensors"
    tensors = load_file(path)
    del tensors[sorted(tensors)[0]]
    save_file(tensors, path)
    with pytest.raises(Refusal, match="E-CKP-008"):
        load_tower(part, 8, tmp_path / "ecg", seed=1)


def test_the_contract_holds_the_digest_of_the_encoder(part, tmp_path):
    save_tower(part, build_tower(part, 8, seed=1), tmp_path / "ecg", own_weights=True)
    contract = json.loads((tmp_path / "ecg" / "contract.json").read_text())
    assert contract["base_digest"] == tensor_digest(base_tensors(build_encoder(part, seed=1)))


class Calibrated(Encoder):
    """Features shifted by the mean of the samples it was calibrated on."""

    lora_targets = ("line",)

    def __init__(self):
        super().__init__()
        self.width = 2
        self.line = torch.nn.Linear(2, 2)
        self.register_buffer("centre", torch.zeros(2))

    def forward(self, batch):
        return Features(self.line(batch.values - self.centre))

    def blocks(self):
        return [self.line]

    def calibrate(self, batches):
        self.centre.copy_(torch.cat([batch.values for batch in batches]).mean(dim=0))


@pytest.fixture
def calibrated_part(part):
    entry = EncoderEntry("calibrated", "nowhere:Calibrated", "for this test")
    object.__setattr__(entry, "build", lambda *_: Calibrated())
    return replace(part, entry=entry)


SAMPLES = [Batch(torch.tensor([[1.0, 2.0], [3.0, 4.0]])), Batch(torch.tensor([[5.0, 9.0]]))]


def test_an_encoder_from_scratch_is_calibrated_on_the_samples_given(calibrated_part):
    assert build_encoder(calibrated_part, seed=1, samples=SAMPLES).centre.tolist() == [3.0, 5.0]
    assert build_encoder(calibrated_part, seed=1).centre.tolist() == [0.0, 0.0]


def test_calibration_leaves_the_random_weights_as_they_are(calibrated_part):
    with_it = build_tower(calibrated_part, 8, seed=1, adapt="frozen", samples=SAMPLES)
    without = build_tower(calibrated_part, 8, seed=1, adapt="frozen")
    assert torch.equal(with_it.encoder.line.weight, without.encoder.line.weight)
    assert torch.equal(with_it.head.linear.weight, without.head.linear.weight)


def test_pretrained_and_published_weights_are_not_calibrated_again(calibrated_part):
    base = build_encoder(calibrated_part, seed=1, samples=SAMPLES[:1]).state_dict()
    tower = build_tower(
        calibrated_part, 8, seed=1, base=base, adapt="frozen", samples=SAMPLES
    )  # fmt: skip
    assert tower.encoder.centre.tolist() == [2.0, 3.0]
    entry = calibrated_part.entry
    object.__setattr__(entry, "weights", frozenset({"scratch", "local"}))
    local = replace(calibrated_part, entry=entry, weights=Weights("/a/folder"))
    assert build_encoder(local, seed=1, samples=SAMPLES).centre.tolist() == [0.0, 0.0]


def test_a_saved_calibrated_tower_loads_equal(calibrated_part, tmp_path):
    tower = build_tower(calibrated_part, 8, seed=1, samples=SAMPLES)
    save_tower(calibrated_part, tower, tmp_path / "ecg", own_weights=True)
    with torch.no_grad():
        again = load_tower(calibrated_part, 8, tmp_path / "ecg", seed=9)
        assert torch.equal(again(SAMPLES[0]), tower.eval()(SAMPLES[0]))
