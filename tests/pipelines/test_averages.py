"""Averages follow the weights, stand in for them, and leave no trace."""

import pytest
import torch
from torch import nn

from pipelines.averages import Averages


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def step(module: nn.Module, seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(torch.randn(weight.shape, generator=source))


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
def test_a_decay_outside_0_to_1_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="decay"):
        Averages(network(), decay)


@pytest.mark.parametrize("wrong", ["update", "state", "applied"])
def test_nothing_else_happens_while_they_stand_in(wrong: str) -> None:
    averages = Averages(network(), 0.9)
    with averages.applied(), pytest.raises(RuntimeError, match="leave"):
        getattr(averages, wrong)() if wrong != "applied" else averages.applied().__enter__()


def test_a_weight_is_averaged_by_the_formula() -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 1.0)
    averages = Averages(module, 0.75)
    for value in (2.0, 4.0):
        nn.init.constant_(module.weight, value)
        averages.update()
    assert averages.state()["weight"].item() == pytest.approx(0.75 * 1.25 + 0.25 * 4.0)


@pytest.mark.parametrize(("decay", "follows"), [(0.0, True), (1.0, False)])
def test_the_ends_of_decay_follow_at_once_or_never(decay: float, follows: bool) -> None:
    module = network()
    averages, start = Averages(module, decay), network()
    step(module, 1)
    averages.update()
    expected = module if follows else start
    assert torch.equal(averages.state()["0.weight"], expected[0].weight)


def test_buffers_are_taken_over_as_they_are() -> None:
    module = network().train()
    averages = Averages(module, 0.9)
    module(torch.randn(6, 4))
    averages.update()
    assert torch.equal(averages.state()["1.running_mean"], module[1].running_mean)
    assert averages.state()["1.num_batches_tracked"].item() == 1


def test_frozen_weights_are_not_copied() -> None:
    module = network()
    module[0].requires_grad_(False)
    assert not any(name.startswith("0.") for name in Averages(module, 0.9).state())


def test_they_compute_as_a_module_with_these_weights_would() -> None:
    module, twin, x = network().eval(), network(5).eval(), torch.randn(6, 4)
    averages = Averages(module, 0.9)
    step(module, 1)
    averages.update()
    twin.load_state_dict({**twin.state_dict(), **averages.state()})
    with averages.applied(), torch.no_grad():
        found = module(x)
    assert torch.equal(found, twin(x))
    assert not torch.equal(found, module(x))


def test_weights_and_averages_come_back_exactly_even_after_an_error() -> None:
    module = network().train()
    averages = Averages(module, 0.9)
    step(module, 1)
    averages.update()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    slow = {k: v.clone() for k, v in averages.state().items()}
    places = [p.data_ptr() for p in module.parameters()]
    with pytest.raises(ZeroDivisionError), averages.applied():
        raise ZeroDivisionError
    assert [p.data_ptr() for p in module.parameters()] == places
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
    for name, value in averages.state().items():
        assert torch.equal(value, slow[name]), name


def test_a_forward_in_between_does_not_reach_the_modules_own_buffers() -> None:
    module = network().train()
    averages = Averages(module, 0.9)
    before = module[1].running_mean.clone()
    with averages.applied(), torch.no_grad():
        module(torch.randn(6, 4))
    assert torch.equal(module[1].running_mean, before)


def test_a_graph_recorded_before_gives_the_same_gradient_afterwards() -> None:
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
    gradients = []
    for between in (False, True):
        module = network().train()
        averages = Averages(module, 0.9)
        step(module, 1)
        loss = module(x).square().sum()
        if between:
            with averages.applied(), torch.no_grad():
                module(x)
        loss.backward()
        gradients.append([p.grad for p in module.parameters()])
    for plain, after in zip(*gradients, strict=True):
        assert torch.equal(plain, after)


def test_saved_averages_go_on_bit_for_bit() -> None:
    module = network()
    averages = Averages(module, 0.99)
    step(module, 1)
    averages.update()
    resumed = Averages(module, 0.99)
    for name, value in resumed.state().items():
        value.copy_(averages.state()[name].clone())
    step(module, 2)
    for one in (averages, resumed):
        one.update()
    for name, value in resumed.state().items():
        assert torch.equal(value, averages.state()[name]), name
