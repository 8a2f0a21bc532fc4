"""Which wrong candidate a row is given, and how often."""

from dataclasses import replace

import pytest
import torch

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.near_misses import near_misses
from pipelines.objectives.objective import Encoded, Items, Step


def world(rows=6, seed=0, group=None, content=None, present=None):
    source = torch.Generator().manual_seed(seed)
    emb = {n: torch.randn(rows, 4, generator=source) for n in "ab"}
    everywhere = torch.ones(rows, dtype=torch.bool)
    there = {"a": everywhere, "b": everywhere if present is None else present}
    ids = torch.randperm(rows, generator=source) + 10
    group = torch.arange(rows) if group is None else group
    content = torch.arange(rows) if content is None else content
    items = Items(ids, group, {"a": torch.arange(rows), "b": content})
    return Encoded({n: v * there[n][:, None] for n, v in emb.items()}, there), items


def drawn(encoded, items, steps=1, targets="identity", back=False):
    """The draws of some steps, (steps, B)."""
    loss = Contrastive(
        ContrastiveOptions(targets=targets, temperature=1.0), (Edge("a", ("b",)),), Shapes(4)
    )
    pairs = loss.pairs(encoded, items, 0)
    pairs = pairs.other_way() if back else pairs
    return torch.stack([near_misses(pairs, items, Step(number=n), name="x") for n in range(steps)])


def test_a_row_without_any_wrong_candidate_has_none():
    encoded, items = world(group=torch.tensor([0, 0, 0, 0, 0, 0]))
    assert drawn(encoded, items).tolist() == [[-1] * 6]
    encoded, items = world(rows=1)
    assert drawn(encoded, items).tolist() == [[-1]]


@pytest.mark.parametrize("back", [False, True])
def test_own_partner_right_answers_patients_and_absent_rows_are_never_drawn(back):
    encoded, items = world(
        group=torch.tensor([0, 1, 0, 2, 3, 4]), content=torch.tensor([0, 1, 2, 1, 4, 5]),
        present=torch.tensor([1, 1, 1, 1, 1, 0]).bool(),
    )  # fmt: skip
    found = drawn(encoded, items, steps=300, targets="same_text", back=back)
    allowed = [{1, 3, 4}, {0, 2, 4}, {1, 3, 4}, {0, 2, 4}, {0, 1, 2, 3}, {-1}]
    for row, wanted in enumerate(allowed):
        assert set(found[:, row].tolist()) == wanted, row


def test_the_closer_the_likelier():
    encoded, items = world(rows=4)
    found = drawn(encoded, items, steps=4000)
    unit = {k: torch.nn.functional.normalize(v, dim=1) for k, v in encoded.emb.items()}
    chance = (unit["a"] @ unit["b"].T).softmax(dim=1) + 1e-4
    chance.fill_diagonal_(0.0)
    chance = chance / chance.sum(dim=1, keepdim=True)
    shares = torch.stack([(found == column).float().mean(0) for column in range(4)], dim=1)
    torch.testing.assert_close(shares, chance, rtol=0, atol=0.03)


def test_even_the_farthest_candidate_may_be_drawn():
    encoded, items = world(rows=3)
    encoded.emb["a"][:] = torch.tensor([1.0, 0, 0, 0])
    encoded.emb["b"][:] = torch.tensor([[1.0, 0, 0, 0], [0.99, 0.1, 0, 0], [-1.0, 0, 0, 0]])
    loss = Contrastive(ContrastiveOptions(temperature=0.01), (Edge("a", ("b",)),), Shapes(4))
    pairs = loss.pairs(encoded, items, 0)
    found = torch.stack(
        [near_misses(pairs, items, Step(number=n), name="x")[:2] for n in range(3000)]
    )
    assert int((found == 2).sum()) >= 1


def test_the_order_of_the_batch_decides_nothing_and_the_name_does():
    encoded, items = world(rows=6)
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    moved = Encoded({k: v[order] for k, v in encoded.emb.items()},
                    {k: v[order] for k, v in encoded.present.items()})  # fmt: skip
    turned = replace(items, ids=items.ids[order], group=items.group[order],
                     content={k: v[order] for k, v in items.content.items()})  # fmt: skip
    one, two = drawn(encoded, items, steps=20), drawn(moved, turned, steps=20)
    assert torch.equal(order[two], one[:, order])
    assert len(torch.unique(one, dim=0)) > 5
