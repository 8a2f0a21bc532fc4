"""Scores with further items agree with the score itself, in both directions."""

import pytest
import torch

from eval.scores.pooled import Pooled
from pipelines.objectives.entry import Edge
from pipelines.objectives.further_loss import TOGETHER, against, against_own, opposite, side
from pipelines.objectives.objective import Encoded, Items
from pipelines.objectives.pairs import pairs_of
from pipelines.objectives.targets import identity

COUNT, WIDTH = 2 * TOGETHER + 5, 6


@pytest.fixture(params=["forward", "turned"])
def pairs(request):
    """A comparison of an ECG with a report, or of a report with an ECG."""
    source = torch.Generator().manual_seed(0)
    emb = {n: torch.randn(COUNT, WIDTH, generator=source) for n in ("ecg", "report")}
    there = torch.ones(COUNT, dtype=torch.bool)
    known = Items(torch.arange(COUNT), torch.arange(COUNT))
    found = pairs_of(
        Encoded(emb, dict.fromkeys(emb, there)), known, Edge("ecg", ("report",)),
        score=Pooled(dim=WIDTH), scale=torch.tensor(3.0), right=identity(known),
    )  # fmt: skip
    return found if request.param == "forward" else found.other_way()


def test_further_items_stand_beside_the_columns(pairs):
    assert opposite(pairs) == ("ecg" if pairs.turned else "report")


def test_the_batchs_own_columns_as_further_items_have_the_batchs_logits(pairs):
    rows, name = slice(3, 40), opposite(pairs)
    vectors = (pairs.query if pairs.turned else pairs.candidate).vectors[name]
    torch.testing.assert_close(against(pairs, rows, side(name, vectors)), pairs.logits(rows))


def test_items_of_a_rows_own_are_scored_with_that_row_only(pairs):
    rows, name = slice(2, COUNT), opposite(pairs)
    own = torch.randn(COUNT - 2, 3, WIDTH, generator=torch.Generator().manual_seed(1))
    found = against_own(pairs, rows, own)
    for place in (0, TOGETHER, COUNT - 3):
        alone = against(pairs, slice(2 + place, 3 + place), side(name, own[place]))
        torch.testing.assert_close(found[place : place + 1], alone)
