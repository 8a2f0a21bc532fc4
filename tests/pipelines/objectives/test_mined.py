"""Known answers of mined negatives: who is found, who never is, and what they cost."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import cross_entropy, normalize

from pipelines.objectives import mined_loss
from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.mined import MinedOptions
from pipelines.objectives.mined_loss import Mined
from pipelines.objectives.objective import Encoded, Items, Step

EDGE = (Edge("ecg", ("report",)),)
WIDTH, ROWS = 8, 30


def objective(**options):
    return Mined(MinedOptions(**{"margin": 2.0, **options}), EDGE, Shapes(WIDTH, rows=ROWS))


def random(count, seed=0):
    return torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


def items(ids, group=None, report=None):
    rows = torch.tensor(ids)
    content = {"ecg": rows, "report": rows if report is None else torch.tensor(report)}
    return Items(rows, rows if group is None else torch.tensor(group), content)


def encoded(ecg, report, present=None):
    full = {name: torch.ones(len(ecg), dtype=torch.bool) for name in ("ecg", "report")}
    return Encoded({"ecg": ecg, "report": report}, {**full, **(present or {})})


def memory(ecg, report, ids=None):
    rows = torch.arange(len(ecg)) if ids is None else ids
    return {"ecg": (rows, ecg), "report": (rows, report)}


def told(loss, known):
    """Let an objective learn the groups and contents of rows."""
    nothing = torch.zeros(len(known.ids), WIDTH)
    loss.after_step(encoded(nothing, nothing), known, Step())
    return loss


@pytest.mark.parametrize(("options", "message"), [
    ({"score": "late"}, "tokens"), ({"targets": "soft", "soft_from": "ecg"}, "identity"),
    ({"k": 0}, "greater than"), ({"margin": -0.1}, "greater than"),
])  # fmt: skip
def test_options_that_mining_cannot_serve_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        MinedOptions(**options)


def test_without_the_number_of_rows_it_refuses():
    with pytest.raises(ValueError, match=r"Shapes\.rows"):
        Mined(MinedOptions(), EDGE, Shapes(WIDTH))


def test_before_the_first_search_it_is_the_contrastive_loss():
    batch, known = encoded(random(6), random(6, 1)), items(range(6))
    plain = Contrastive(ContrastiveOptions(), EDGE, Shapes(WIDTH))(batch, known, Step()).total
    assert told(objective(), known)(batch, known, Step()).total.item() == plain.item()


def test_each_row_finds_its_nearest_wrong_answers_in_both_directions():
    ecg, report = random(ROWS), random(ROWS, 1)
    loss = objective(k=3)
    loss.on_epoch(0, lambda: memory(ecg, report))
    scores = normalize(ecg, dim=1) @ normalize(report, dim=1).T
    scores.fill_diagonal_(-9.0)
    assert torch.equal(loss.near[0, 0], scores.topk(3, dim=1).indices)
    assert torch.equal(loss.near[0, 1], scores.T.topk(3, dim=1).indices)


def test_small_blocks_find_the_same(monkeypatch):
    found = []
    for rows, columns in ((512, 8192), (4, 7)):
        monkeypatch.setattr(mined_loss, "ROWS", rows)
        monkeypatch.setattr(mined_loss, "COLUMNS", columns)
        loss = objective(k=5)
        loss.on_epoch(0, lambda: memory(random(ROWS), random(ROWS, 1)))
        found.append(loss.near.clone())
    assert torch.equal(*found)


def test_mined_vectors_stand_in_the_denominator():
    ecg, report = random(ROWS), random(ROWS, 1)
    loss = told(objective(k=2, temperature=0.5), items(range(ROWS)))
    loss.on_epoch(0, lambda: memory(ecg, report))
    batch = encoded(random(3, 2), random(3, 3))
    a, b, old_a, old_b = (normalize(v, dim=1) for v in (*batch.emb.values(), ecg, report))

    def cost(query, candidate, stored, near):
        own = torch.stack([stored[near[i]] @ query[i] for i in range(3)])
        return cross_entropy(torch.cat([query @ candidate.T, own], 1) / 0.5, torch.arange(3))

    expected = (cost(a, b, old_b, loss.near[0, 0]) + cost(b, a, old_a, loss.near[0, 1])) / 2
    found = loss(batch, items(range(3)), Step()).total
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)


def test_rows_of_ones_group_and_equal_reports_are_not_found():
    same = torch.ones(6, WIDTH)
    known = items(range(6), group=[0, 0, 1, 2, 3, 4], report=[5, 6, 5, 7, 8, 9])
    loss = told(objective(k=5), known)
    loss.on_epoch(0, lambda: memory(same, same))
    assert sorted(loss.near[0, 0, 0].tolist()) == [-1, -1, 3, 4, 5]
    assert sorted(loss.near[0, 0, 3].tolist()) == [0, 1, 2, 4, 5]


def test_neighbours_that_turn_out_to_be_of_ones_group_are_not_used():
    same = torch.ones(4, WIDTH)
    loss, batch = objective(k=3), encoded(same[:1], same[:1])
    loss.on_epoch(0, lambda: memory(same, same))
    unknown = loss(batch, items([0], group=[7]), Step()).total
    told(loss, items(range(4), group=[7, 7, 1, 2]))
    met = loss(batch, items([0], group=[7]), Step()).total
    assert unknown.item() == pytest.approx(0.0, abs=1e-6)
    assert met.item() == pytest.approx(math.log(1 + 2), abs=1e-5)


def test_what_scores_far_above_the_own_partner_is_taken_for_right():
    axis = torch.eye(WIDTH)
    ecg, report = axis[:1].repeat(3, 1), torch.stack([axis[0] + axis[1], axis[0], axis[2]])
    # row 0 scores 0.71 with its own report, 1 with that of row 1, 0 with that of row 2
    for margin, expected in ((0.2, [2, -1]), (0.4, [1, 2])):
        loss = objective(k=2, margin=margin)
        loss.on_epoch(0, lambda: memory(ecg, report))
        assert loss.near[0, 0, 0].tolist() == expected


def test_rows_outside_the_memory_are_neither_found_nor_search():
    ids = torch.tensor([3, 9, 20])
    loss = objective(k=2)
    loss.on_epoch(0, lambda: {"ecg": (ids, random(3)), "report": (ids[:2], random(2, 1))})
    assert sorted(set(loss.near[0, 0].flatten().tolist())) == [-1, 3, 9]
    assert loss.near[0, 0, 20].tolist() == [-1, -1]
    assert loss.near[0, 1, 3].tolist() != [-1, -1]


@pytest.mark.parametrize(("refresh", "epochs"), [(1, [0, 1, 2, 3]), (3, [0, 3])])
def test_the_search_is_repeated_every_so_many_epochs(refresh, epochs):
    loss, asked = objective(refresh=refresh), []
    for epoch in range(4):

        def embed(epoch=epoch):
            asked.append(epoch)
            return memory(random(5), random(5, 1))

        loss.on_epoch(epoch, embed)
    assert asked == epochs


def test_saved_and_resumed_it_goes_on_bit_for_bit():
    known = items(range(ROWS))
    one, two = told(objective(), known), objective()
    one.on_epoch(0, lambda: memory(random(ROWS), random(ROWS, 1)))
    two.load_state_dict({k: v.clone() for k, v in one.state_dict().items()})
    batch = encoded(random(4, 2), random(4, 3))
    totals = [loss(batch, items(range(4)), Step()).total for loss in (one, two)]
    assert torch.equal(*totals)
