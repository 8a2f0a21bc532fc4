"""Adapters in the last blocks alone: which modules peft wraps, and what is refused."""

import pytest
import torch
from torch import nn

from pipelines.lora import adapted, base_tensors
from workbench.config import Lora, LoraConfig
from workbench.encoder import Encoder, Features
from workbench.errors import Refusal
from workbench.modality import Batch


class Stack(Encoder):
    """Twelve blocks between two layers that bear the names of targets too."""

    lora_targets = ("query", "value")

    def __init__(self):
        super().__init__()
        self.width = 4
        self.query = nn.Linear(4, 4)
        self.layers = nn.ModuleList(
            nn.ModuleDict({name: nn.Linear(4, 4) for name in ("query", "key", "value")})
            for _ in range(12)
        )
        self.top = nn.ModuleDict({"value": nn.Linear(4, 4)})

    def forward(self, batch):
        x = self.query(batch.values)
        for layer in self.layers:
            x = x + layer["value"](torch.tanh(layer["query"](x) + layer["key"](x)))
        return Features(self.top["value"](x))

    def blocks(self):
        return list(self.layers)


def trained(**changes):
    config = Lora(lora=LoraConfig(rank=2, alpha=4, **changes))
    module = adapted(Stack(), config)
    return module, [n for n, p in module.named_parameters() if p.requires_grad]


@pytest.mark.parametrize(("last", "field"), [(13, "adapt.lora.last"), (99, "adapt.lora.last")])
def test_more_blocks_than_there_are_is_refused(last, field):
    with pytest.raises(Refusal, match=rf"{field} has {last}, expected at most 12 blocks"):
        trained(last=last)


def test_targets_outside_the_last_blocks_are_refused_with_what_is_inside():
    with pytest.raises(Refusal, match=r"last 2 blocks, among \['key', 'query', 'value'\]"):
        trained(last=2, targets=("top.value",))


@pytest.mark.parametrize("last", [1, 2, 11, 12])
def test_only_the_targets_of_the_last_blocks_train(last):
    _, names = trained(last=last)
    found = {n.partition(".lora_")[0].removeprefix("base_model.model.") for n in names}
    wanted = {f"layers.{i}.{t}" for i in range(12 - last, 12) for t in ("query", "value")}
    assert found == wanted


def test_without_a_limit_every_target_trains():
    _, names = trained()
    assert len(names) == 2 * (2 * 12 + 2)


def test_adapters_of_the_last_blocks_begin_at_zero_and_leave_the_names_of_the_base():
    torch.manual_seed(0)
    encoder = Stack()
    batch = Batch(torch.randn(3, 4))
    plain, names = encoder(batch).pooled, set(encoder.state_dict())
    module = adapted(encoder, Lora(lora=LoraConfig(rank=2, alpha=4, last=3)))
    assert torch.equal(module(batch).pooled, plain)
    assert set(base_tensors(module)) == names
