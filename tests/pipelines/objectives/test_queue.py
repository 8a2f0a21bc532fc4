"""Known answers of the queue: who is in it, for whom, and for how long."""

import math

import pytest
import torch
from pydantic import ValidationError

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.objective import Encoded, Items, Step
from pipelines.objectives.queue import QUEUE, QueueOptions
from pipelines.objectives.queue_loss import Queue

EDGE = (Edge("ecg", ("report",)),)
NAMES = ("ecg", "report")
WIDTH = 8


def objective(**options):
    return Queue(QueueOptions(**{"momentum": False, **options}), EDGE, Shapes(WIDTH))


def items(first, count, group=None, report=None):
    ids = torch.arange(first, first + count)
    content = {"ecg": ids, "report": ids if report is None else torch.tensor(report)}
    return Items(ids, ids if group is None else torch.tensor(group), content)


def encoded(ecg, report, present=None):
    full = {name: torch.ones(len(ecg), dtype=torch.bool) for name in NAMES}
    return Encoded({"ecg": ecg, "report": report}, {**full, **(present or {})})


def random(count, seed=0):
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


def same(count):
    return encoded(torch.ones(count, WIDTH), torch.ones(count, WIDTH))


@pytest.mark.parametrize(("options", "message"), [
    ({"score": "late"}, "tokens"), ({"targets": "same_label", "label": "x"}, "identity"),
    ({"size": 0}, "greater than"),
])  # fmt: skip
def test_options_that_a_queue_cannot_serve_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        QueueOptions(**options)


def test_averaged_towers_are_asked_for_only_with_momentum_and_then_required():
    assert QUEUE.needed(QueueOptions()) == {"ema"}
    assert QUEUE.needed(QueueOptions(momentum=False)) == frozenset()
    for ask in (objective(momentum=True), objective(momentum=True).after_step):
        with pytest.raises(ValueError, match=r"Step\.ema"):
            ask(same(2), items(0, 2), Step())


def test_equal_scores_cost_log_of_batch_and_queue():
    loss = objective(size=100)
    for first in (100, 160):
        loss.after_step(same(60), items(first, 60), Step())
    found = loss(same(16), items(0, 16), Step()).total
    assert found.item() == pytest.approx(math.log(16 + 100), abs=1e-5)


def test_an_empty_queue_leaves_the_contrastive_loss():
    batch, rows = encoded(random(6), random(6, 1)), items(0, 6)
    plain = Contrastive(ContrastiveOptions(), EDGE, Shapes(WIDTH))(batch, rows, Step()).total
    assert objective()(batch, rows, Step()).total.item() == plain.item()


def test_each_direction_meets_the_queue_of_the_other_side():
    loss, old = objective(size=4, temperature=0.5), encoded(random(4, 2), random(4, 3))
    loss.after_step(old, items(50, 4), Step())
    batch = encoded(random(3), random(3, 1))
    a, b, old_a, old_b = (torch.nn.functional.normalize(v, dim=1) for v in (
        batch.emb["ecg"], batch.emb["report"], old.emb["ecg"], old.emb["report"]))  # fmt: skip
    place, cost = torch.arange(3), torch.nn.functional.cross_entropy
    rows = cost(a @ torch.cat([b, old_b]).T / 0.5, place)
    columns = cost(b @ torch.cat([a, old_a]).T / 0.5, place)
    found = loss(batch, items(0, 3), Step()).total
    assert found.item() == pytest.approx(((rows + columns) / 2).item(), abs=1e-6)


def test_a_row_that_comes_again_does_not_meet_itself():
    loss = objective(size=8)
    loss.after_step(same(4), items(0, 4), Step())
    found = loss(same(4), items(0, 4), Step()).total
    assert found.item() == pytest.approx(math.log(4 + 3), abs=1e-5)


@pytest.mark.parametrize(("excluded", "met"), [(True, 1), (False, 3)])
def test_earlier_rows_of_ones_group_count_only_when_asked_to(excluded, met):
    loss = objective(size=8, exclude_same_group=excluded)
    loss.after_step(same(3), items(10, 3, group=[7, 7, 1]), Step())
    found = loss(same(2), items(0, 2, group=[7, 8]), Step()).total
    expected = (math.log(2 + met) + math.log(2 + 3)) / 2
    assert found.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("targets", "met"), [("identity", 3), ("same_text", 2)])
def test_equal_reports_are_wrong_answers_only_under_identity(targets, met):
    loss = objective(size=8, targets=targets)
    loss.after_step(same(3), items(10, 3, report=[5, 90, 91]), Step())
    found = loss(same(1), items(0, 1, report=[5]), Step()).total
    assert found.item() == pytest.approx(math.log(1 + met), abs=1e-5)


def test_absent_rows_are_never_enqueued():
    loss = objective(size=8)
    present = {"report": torch.tensor([True, False, True, False])}
    loss.after_step(encoded(random(4), random(4, 1), present), items(0, 4), Step())
    assert loss.ids[1, :3].tolist() == [0, 2, -1]
    assert loss.ids[0, :5].tolist() == [0, 1, 2, 3, -1]


def test_the_oldest_make_room_and_a_batch_larger_than_the_queue_leaves_its_last_rows():
    loss = objective(size=3)
    loss.after_step(encoded(random(2), random(2, 1)), items(0, 2), Step())
    loss.after_step(encoded(random(2), random(2, 1)), items(2, 2), Step())
    assert sorted(loss.ids[0].tolist()) == [1, 2, 3]
    batch = encoded(random(7, 4), random(7, 5))
    loss.after_step(batch, items(10, 7), Step())
    assert sorted(loss.ids[0].tolist()) == [14, 15, 16]
    place = loss.ids[1].tolist().index(15)
    assert torch.equal(loss.vectors[1, place], batch.emb["report"][5])


def test_with_momentum_the_averaged_towers_vectors_are_kept():
    loss = objective(momentum=True, size=3)
    batch, ema = encoded(random(3), random(3, 1)), encoded(random(3, 2), random(3, 3))
    loss.after_step(batch, items(0, 3), Step(ema=ema))
    assert torch.equal(loss.vectors[0], ema.emb["ecg"])


def test_with_momentum_the_columns_of_the_batch_are_the_averaged_towers_vectors():
    loss = objective(momentum=True, temperature=0.5)
    batch, ema = encoded(random(3), random(3, 1)), encoded(random(3, 2), random(3, 3))
    a, b, slow_a, slow_b = (
        torch.nn.functional.normalize(v, dim=1) for v in (*batch.emb.values(), *ema.emb.values())
    )
    place, cost = torch.arange(3), torch.nn.functional.cross_entropy
    expected = (cost(a @ slow_b.T / 0.5, place) + cost(b @ slow_a.T / 0.5, place)) / 2
    found = loss(batch, items(0, 3), Step(ema=ema)).total
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)


def test_the_queue_holds_no_graph():
    vectors = random(3).requires_grad_()
    loss = objective(size=3)
    loss.after_step(encoded(vectors, vectors), items(0, 3), Step())
    assert not loss.vectors.requires_grad


def test_saved_and_resumed_it_goes_on_bit_for_bit():
    one, two = objective(size=5), objective(size=5)
    one.after_step(encoded(random(4), random(4, 1)), items(0, 4), Step())
    two.load_state_dict({k: v.clone() for k, v in one.state_dict().items()})
    for loss in (one, two):
        loss.after_step(encoded(random(4, 2), random(4, 3)), items(4, 4), Step())
    assert all(torch.equal(v, two.state_dict()[k]) for k, v in one.state_dict().items())
    batch = encoded(random(4, 6), random(4, 7))
    assert torch.equal(*(loss(batch, items(20, 4), Step()).total for loss in (one, two)))
