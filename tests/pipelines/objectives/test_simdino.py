"""Known answers of the coding rate and of the loss that it keeps from collapsing."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import cosine_similarity, normalize

from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items, Step
from pipelines.objectives.simdino import SimDinoOptions
from pipelines.objectives.simdino_loss import SimDino, coding_rate

EDGE = (Edge("ecg", ("report",)),)
WIDTH = 6


def objective(**options):
    return SimDino(SimDinoOptions(**options), EDGE, Shapes(WIDTH))


def items(count):
    return Items(torch.arange(count), torch.arange(count))


def encoded(ecg, report, present=None):
    full = {name: torch.ones(len(ecg), dtype=torch.bool) for name in ("ecg", "report")}
    return Encoded({"ecg": ecg, "report": report}, {**full, **(present or {})})


def random(count, seed=0):
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


def worlds(count, present=None):
    return [encoded(random(count, 2 * s), random(count, 2 * s + 1), present) for s in range(4)]


def ask(loss, student, second, teacher, teacher_second):
    step = Step(second=second, ema=teacher, ema_second=teacher_second)
    return loss(student, items(len(student.emb["ecg"])), step)


@pytest.mark.parametrize("options", [{"distortion": 0.0}, {"alignment": -1.0}])
def test_options_outside_their_range_are_refused(options):
    with pytest.raises(ValidationError):
        SimDinoOptions(**options)


@pytest.mark.parametrize("missing", ["second", "ema", "ema_second"])
def test_without_views_and_averaged_towers_it_refuses(missing):
    one = encoded(random(2), random(2))
    step = {"second": one, "ema": one, "ema_second": one} | {missing: None}
    with pytest.raises(ValueError, match=r"Step\.second"):
        objective()(one, items(2), Step(**step))


@pytest.mark.parametrize("count", [3, 64])
@pytest.mark.parametrize("distortion", [0.05, 0.5])
def test_collapsed_vectors_have_the_least_coding_rate(count, distortion):
    vectors = normalize(torch.ones(count, 32), dim=1)
    expected = 0.5 * math.log(1 + 32 / distortion)
    assert coding_rate(vectors, distortion=distortion).item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("times", [1, 4])
@pytest.mark.parametrize("distortion", [0.05, 0.5])
def test_white_vectors_have_the_greatest_coding_rate(times, distortion):
    vectors = torch.eye(32).repeat(times, 1)
    expected = 16 * math.log(1 + 1 / distortion)
    assert coding_rate(vectors, distortion=distortion).item() == pytest.approx(expected, abs=1e-4)


def test_both_ways_to_the_determinant_agree_with_it():
    for count in (5, 40):
        z = normalize(random(count, 9), dim=1)
        table = torch.eye(WIDTH) + WIDTH / (count * 0.05) * z.T @ z
        expected = 0.5 * torch.logdet(table.double()).item()
        assert coding_rate(z, distortion=0.05).item() == pytest.approx(expected, rel=1e-5)


def test_under_autocast_the_coding_rate_stays_exact():
    z = normalize(random(40), dim=1)
    with torch.autocast("cpu", torch.bfloat16):
        rough = coding_rate(z, distortion=0.05)
    assert torch.equal(rough, coding_rate(z, distortion=0.05))


def test_the_loss_is_the_published_one_over_both_modalities_views():
    student, second, teacher, teacher_second = worlds(10)
    views = [e.emb[n] for n in ("ecg", "report") for e in (student, second)]
    goals = [e.emb[n] for n in ("ecg", "report") for e in (teacher, teacher_second)]
    pairs = [(t, s) for t in range(4) for s in range(4) if t != s]
    near = sum(cosine_similarity(goals[t], views[s]).mean() for t, s in pairs) / len(pairs)
    rate = sum(coding_rate(normalize(v, dim=1), distortion=0.05) for v in views) / 4
    expected = -2.0 * near - (WIDTH + 10) / (WIDTH * 10) * rate
    found = ask(objective(alignment=2.0), student, second, teacher, teacher_second).total
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)


def test_a_collapsed_batch_costs_more_than_a_spread_one():
    flat = encoded(torch.ones(6, WIDTH), torch.ones(6, WIDTH))
    wide = encoded(torch.eye(WIDTH), torch.eye(WIDTH))
    collapsed, spread = (ask(objective(), e, e, e, e) for e in (flat, wide))
    assert collapsed.total.item() > spread.total.item() + 0.5
    assert collapsed.logs["spread/ecg-report"] == pytest.approx(0.0, abs=1e-3)


def test_every_process_computes_the_whole_so_world_size_changes_nothing():
    parts = worlds(8)
    whole = ask(objective(), *parts).total
    student, second, teacher, teacher_second = parts
    step = Step(second=second, ema=teacher, ema_second=teacher_second, rank=1, world=2)
    assert SimDino.row_split is False
    assert torch.equal(objective()(student, items(8), step).total, whole)


def test_absent_rows_count_neither_in_the_rate_nor_in_its_scale():
    present = {"report": torch.arange(10) < 7}
    masked = ask(objective(), *worlds(10, present)).total
    small = ask(objective(), *(
        encoded(*(v[:7] for v in e.emb.values())) for e in worlds(10)
    )).total  # fmt: skip
    assert masked.item() == pytest.approx(small.item(), abs=1e-6)


def test_no_gradient_reaches_the_teacher():
    student, second, teacher, teacher_second = worlds(5)
    goal = teacher.emb["ecg"].requires_grad_()
    given = student.emb["ecg"].requires_grad_()
    ask(objective(), student, second, teacher, teacher_second).total.backward()
    assert goal.grad is None
    assert bool((given.grad != 0).any())
