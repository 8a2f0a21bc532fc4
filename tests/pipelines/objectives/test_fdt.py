"""Finite discrete tokens as an objective: its codebook, its schedule, and that it learns."""

from dataclasses import replace

import pytest
import torch
from example_world import EDGES, SHAPES, Case

from pipelines.objectives.fdt import FDT, FdtOptions
from pipelines.objectives.objective import Encoded, Items, Step


@pytest.mark.parametrize("options", [{"codes": 1}, {"code_temperature": 0.0}])
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        FdtOptions(**options)


def test_the_codebook_has_the_size_asked_for():
    objective = FDT.build(FdtOptions(codes=32), EDGES, SHAPES)
    assert objective.score.codes.shape == (32, 16)
    assert FdtOptions().codes == 256


def test_the_temperature_falls_geometrically_and_is_saved(worlds):
    _, now = worlds
    options = {"code_temperature_start": 1.0, "code_temperature": 0.01}
    objective = Case(FDT, options).build()
    seen = []
    for progress in (0.0, 0.5, 1.0):
        step = replace(now.step, progress=progress)
        objective.after_step(now.encoded, now.items, step)
        seen.append(float(objective.score.temperature))
    assert seen == pytest.approx([1.0, 0.1, 0.01])
    other = Case(FDT, options).build()
    other.load_state_dict(objective.state_dict())
    assert float(other.score.temperature) == pytest.approx(0.01)


def test_without_a_start_the_temperature_stays(worlds):
    _, now = worlds
    objective = Case(FDT, {"code_temperature": 0.3}).build()
    objective.after_step(now.encoded, now.items, replace(now.step, progress=1.0))
    assert float(objective.score.temperature) == pytest.approx(0.3)


def test_towers_learn_through_codes_to_find_their_pairs():
    source = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    shared = torch.randn(48, 4, 16, generator=source)
    inputs = {k: torch.cat([shared, torch.randn(48, 2, 16, generator=source)], 1) for k in "ab"}
    layers = torch.nn.ModuleDict({k: torch.nn.Linear(16, 16) for k in "ab"})
    objective = FDT.build(FdtOptions(codes=64), EDGES[:1], SHAPES)
    number, there = torch.arange(48), torch.ones(48, dtype=torch.bool)
    mask = torch.ones(48, 6, dtype=torch.bool)

    def encode():
        tokens = {k: layers[k](inputs[k]) for k in "ab"}
        return Encoded({k: t.mean(1) for k, t in tokens.items()}, dict.fromkeys("ab", there),
                       tokens, dict.fromkeys("ab", mask))  # fmt: skip

    optimiser = torch.optim.Adam([*layers.parameters(), *objective.parameters()], lr=0.01)
    losses = []
    for _ in range(120):
        optimiser.zero_grad()
        loss = objective(encode(), Items(number, number), Step()).total
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.25 * losses[0]
