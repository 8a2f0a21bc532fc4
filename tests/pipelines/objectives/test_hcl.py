"""Known answers of the hard-negative objective."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch.nn.functional import normalize

from pipelines.objectives.contrastive import ContrastiveOptions
from pipelines.objectives.contrastive_loss import Contrastive
from pipelines.objectives.entry import Edge, Shapes
from pipelines.objectives.hcl import HclOptions
from pipelines.objectives.hcl_loss import Hcl
from pipelines.objectives.objective import Encoded, Items, Step

EDGE = (Edge("a", ("b",)),)
PLAIN = {"beta": 0.0, "tau_plus": 0.0}


def loss(encoded, known, **options):
    return Hcl(HclOptions(**options), EDGE, Shapes(16))(encoded, known, Step()).total


def plain(encoded, known, **options):
    return Contrastive(ContrastiveOptions(**options), EDGE, Shapes(16))(
        encoded, known, Step()
    ).total


def items(count, group=None, content=None):
    rows = torch.arange(count)
    return Items(rows, rows if group is None else group, content or {"a": rows, "b": rows})


def batch(count=12, seed=0, present=None):
    source = torch.Generator().manual_seed(seed)
    emb = {k: torch.randn(count, 16, generator=source) for k in "ab"}
    there = torch.ones(count, dtype=torch.bool)
    return Encoded(emb, {"a": there, "b": there if present is None else present})


@pytest.mark.parametrize(
    "options",
    [{"smoothing": 0.1}, {"targets": "soft", "soft_from": "b"}, {"temperature_per": "edge"},
     {"tau_plus": 1.0}, {"beta": -1.0}],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        HclOptions(**options)


@pytest.mark.parametrize("temperature", [0.5, 0.07, 0.01])
@pytest.mark.parametrize("targets", ["identity", "same_text"])
def test_without_weights_and_correction_it_is_the_contrastive_loss(temperature, targets):
    content = {"a": torch.arange(12), "b": torch.arange(12) // 2}
    encoded, known = batch(), items(12, torch.arange(12) // 3, content)
    found = loss(encoded, known, temperature=temperature, targets=targets, **PLAIN)
    expected = plain(encoded, known, temperature=temperature, targets=targets)
    assert found.item() == pytest.approx(expected.item(), abs=1e-6, rel=1e-6)


def published(encoded, beta, tau_plus, temperature):
    """The authors' formula, with its exponentials, for one direction after the other."""
    a, b = (normalize(encoded.emb[k].double(), dim=-1) for k in "ab")
    table, losses = a @ b.T / temperature, []
    for logits in (table, table.T):
        count = len(logits) - 1
        for i, row in enumerate(logits):
            right, wrong = row[i].exp(), torch.cat([row[:i], row[i + 1 :]]).exp()
            weights = wrong**beta / (wrong**beta).mean()
            estimate = count * ((weights * wrong).mean() - tau_plus * right) / (1 - tau_plus)
            least = count * math.exp(-1 / temperature)
            losses.append(-(right / (right + estimate.clamp_min(least))).log())
    return torch.stack(losses).mean().item()


@pytest.mark.parametrize(("beta", "tau_plus", "temperature"),
                         [(1.0, 0.1, 0.5), (2.0, 0.05, 0.2), (0.5, 0.9, 0.5)])  # fmt: skip
def test_it_is_the_published_formula(beta, tau_plus, temperature):
    encoded = batch()
    found = loss(encoded, items(12), beta=beta, tau_plus=tau_plus, temperature=temperature)
    assert found.item() == pytest.approx(published(encoded, beta, tau_plus, temperature), abs=1e-5)


def test_only_valid_negatives_are_counted():
    there = torch.arange(12) < 9
    group = torch.tensor([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    part = loss(batch(present=there), items(12, group))
    whole = batch()
    small = Encoded({k: v[:9] for k, v in whole.emb.items()},
                    {k: v[:9] for k, v in whole.present.items()})  # fmt: skip
    assert part.item() == pytest.approx(loss(small, items(9, group[:9])).item(), abs=1e-6)
    assert part.item() != pytest.approx(loss(small, items(9)).item(), abs=1e-3)


def test_concentration_counts_only_where_negatives_differ():
    encoded, alike = batch(), Encoded({k: torch.ones(12, 16) for k in "ab"}, batch().present)
    encoded.emb["b"][1] = encoded.emb["a"][0]  # row 1 is a hard negative of row 0
    hard = [loss(encoded, items(12), beta=b, tau_plus=0.0).item() for b in (0.0, 1.0, 3.0)]
    same = [loss(alike, items(12), beta=b, tau_plus=0.0).item() for b in (0.0, 1.0, 3.0)]
    assert hard[0] + 0.05 < hard[1] < hard[2] - 0.05
    assert same == pytest.approx([math.log(12)] * 3, abs=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 0.01])
def test_a_row_without_negatives_costs_nothing_and_stays_finite(temperature):
    encoded = batch(3)
    encoded.emb["a"].requires_grad_()
    found = loss(encoded, items(3, torch.zeros(3)), temperature=temperature)
    found.backward()
    assert found.item() == pytest.approx(0.0, abs=1e-6)
    assert torch.equal(encoded.emb["a"].grad, torch.zeros(3, 16))
