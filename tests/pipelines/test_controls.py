"""Which score evaluation is given by an objective."""

from types import SimpleNamespace

import pytest
import torch

from pipelines.controls import objective_scorer
from pipelines.objectives.contrastive import CONTRASTIVE
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.fdt import FDT
from pipelines.objectives.late import LATE
from workbench.errors import Failure

EDGES = (Edge("report", ("ecg",)), Edge("report", ("xray",)))


def made(entry, **options):
    given = entry.options(**options)
    return SimpleNamespace(objective=entry, objective_options=given), entry.build(
        given, EDGES, Shapes(dim=8)
    )


def test_a_score_that_the_objective_does_not_hold_is_a_failure():
    plan, _ = made(LATE)
    with pytest.raises(Failure, match="no score late"):
        objective_scorer(plan, made(CONTRASTIVE)[1])


def test_cosine_needs_no_object():
    assert objective_scorer(*made(CONTRASTIVE)) is None


def test_the_trained_numbers_and_the_edges_are_kept():
    plan, objective = made(FDT, codes=16)
    with torch.no_grad():
        objective.score.codes.add_(1.0)
    found = objective_scorer(plan, objective)
    assert torch.equal(found.score.codes, objective.score.codes)
    assert found.edges == (("report", ("ecg",)), ("report", ("xray",)))
    with torch.no_grad():
        objective.score.codes.zero_()
    assert bool((found.score.codes != 0).any())
    assert not any(p.requires_grad for p in found.score.parameters())


def test_a_part_of_an_objective_may_hold_the_score():
    plan, late = made(LATE, normalise="sum")
    both = torch.nn.ModuleList([made(CONTRASTIVE)[1], late])
    assert objective_scorer(plan, both).score.normalise == "sum"
