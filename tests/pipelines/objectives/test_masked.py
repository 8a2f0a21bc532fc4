"""Contrast, reconstruction and matching: known answers, and what must never be a target."""

import math
from dataclasses import replace

import pytest
import torch
from example_world import EDGES, SHAPES, at, changed, make_worlds
from pydantic import ValidationError

from pipelines.objectives import masked_loss
from pipelines.objectives.contrastive import CONTRASTIVE, ContrastiveOptions
from pipelines.objectives.entry import Edge
from pipelines.objectives.masked import MASKED, MaskedOptions
from pipelines.objectives.masked_loss import standardised
from pipelines.objectives.objective import Encoded

EDGE = Edge("a", ("b",))


@pytest.fixture
def world():
    return make_worlds()[1]


def built(edges=EDGES, **options):
    torch.manual_seed(0)
    return MASKED.build(MaskedOptions(width=16, heads=2, **options), edges, SHAPES)


def zeroed(loss):
    """The loss with layers that answer zero to everything."""
    with torch.no_grad():
        for layer in [loss.match, *loss.fill.values()]:
            for value in layer.parameters():
                value.zero_()
    return loss


def ask(loss, world):
    return loss(world.encoded, world.items, world.step)


def terms_of(loss, world):
    return {name: value.detach() for name, value in ask(loss, world).terms.items()}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"contrast": 0, "reconstruct": 0, "match": 0}, "nothing to learn from"),
        ({"width": 16, "heads": 3}, "not a multiple of 3 heads"),
        ({"match": -1}, "greater than or equal to 0"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, words):
    with pytest.raises(ValidationError, match=words):
        MaskedOptions(**options)


def test_zero_answers_cost_log_2_per_question_and_log_classes_per_word(world):
    terms = terms_of(zeroed(built()), world)
    for edge in EDGES:
        assert float(terms[f"match/{edge.name}"]) == pytest.approx(math.log(2), abs=1e-6)
    assert float(terms["reconstruct/b"]) == pytest.approx(math.log(11), abs=1e-5)


def test_zero_answers_cost_1_where_whole_standardised_tokens_are_hidden(world):
    step = world.step
    whole = {k: replace(h, hidden=h.hidden.any(-1, keepdim=True).expand_as(h.hidden),
                        target=1000 + 7 * h.target)
             for k, h in step.hidden.items() if k != "b"}  # fmt: skip
    terms = terms_of(zeroed(built()), replace(world, step=replace(step, hidden=whole)))
    assert float(terms["reconstruct/a"]) == pytest.approx(1.0, abs=1e-3)
    assert float(terms["reconstruct/c"]) == pytest.approx(1.0, abs=1e-3)


def test_without_normalising_zero_answers_cost_the_mean_square(world):
    terms = terms_of(zeroed(built(normalise=False)), world)
    hidden = world.step.hidden["a"]
    expected = float(hidden.target[hidden.hidden].square().mean())
    assert float(terms["reconstruct/a"]) == pytest.approx(expected, rel=1e-5)


def test_a_flat_patch_standardises_to_zeros():
    assert torch.equal(standardised(torch.full((1, 1, 4), 3.0)), torch.zeros(1, 1, 4))


def test_its_contrastive_terms_are_those_of_the_contrastive_objective(world):
    out = ask(built(match=0, reconstruct=0), world)
    plain = ask(CONTRASTIVE.build(ContrastiveOptions(), EDGES, SHAPES), world)
    assert set(out.terms) == set(plain.terms)
    assert float(out.total.detach()) == pytest.approx(float(plain.total.detach()), rel=1e-6)


def test_the_three_kinds_share_the_loss_by_their_weights(world):
    out = ask(built(contrast=1.0, reconstruct=2.0, match=3.0), world)
    terms, weight = out.terms, {e.name: e.weight for e in EDGES}
    contrast = sum(weight[n] * terms[n] for n in weight) / sum(weight.values())
    match = sum(weight[n] * terms[f"match/{n}"] for n in weight) / sum(weight.values())
    fill = sum(terms[f"reconstruct/{n}"] for n in "abc") / 3
    expected = (contrast + 2 * fill + 3 * match) / 6
    assert float(out.total.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_what_was_never_measured_is_no_target_even_if_a_mask_says_so(world):
    def everywhere(key, name, value):
        return torch.ones_like(value) if key == "hidden.hidden" else value

    def there_only(key, name, value):
        if key != "hidden.hidden":
            return value
        there = world.encoded.token_mask[name] & world.encoded.present[name][:, None]
        return there[..., None].expand_as(value)

    one = terms_of(built(), changed(world, everywhere))
    two = terms_of(built(), changed(world, there_only))
    for name in "abc":
        assert float(one[f"reconstruct/{name}"]) == float(two[f"reconstruct/{name}"])


def test_nothing_hidden_and_nobody_wrong_leave_no_terms(world):
    bare = replace(world, step=replace(world.step, hidden={}))
    assert not any(name.startswith("reconstruct") for name in ask(built(), bare).terms)
    alone = ask(built(), at(world, torch.tensor([0])))
    assert not any(name.startswith("match") for name in alone.terms)
    assert alone.logs["n_valid/match/a-b"] == 0


def test_one_modality_helps_to_fill_in_another(world):
    def nudge(key, name, value):
        return value + 1.0 if (key, name) == ("encoded.tokens", "b") else value

    before, after = terms_of(built(), world), terms_of(built(), changed(world, nudge))
    assert float(before["reconstruct/a"]) != float(after["reconstruct/a"])


def test_edges_of_vectors_without_tokens_are_contrasted_only(world):
    encoded = world.encoded
    emb = {**encoded.emb, "patient": encoded.emb["a"]}
    present = {**encoded.present, "patient": encoded.present["a"]}
    fused = Encoded(emb, present, encoded.tokens, encoded.token_mask)
    terms = terms_of(built((Edge("patient", ("c",)),)), replace(world, encoded=fused))
    assert set(terms) == {"patient-c", "reconstruct/a", "reconstruct/b", "reconstruct/c"}


def test_blocks_change_neither_loss_nor_gradient(world, monkeypatch):
    results = []
    for size in (64, 3):
        monkeypatch.setattr(masked_loss, "BLOCK", size)
        loss = built()
        out = ask(loss, world)
        out.total.backward()
        results.append((float(out.total.detach()), loss.joint.first.grad.clone()))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)
    torch.testing.assert_close(results[0][1], results[1][1])


def test_it_learns_to_fill_in_and_to_tell_apart(world):
    loss = built((EDGE,), contrast=0.0)
    optimizer = torch.optim.Adam([p for p in loss.parameters() if p.requires_grad], lr=0.01)
    history = []
    for _ in range(150):
        out = ask(loss, world)
        optimizer.zero_grad()
        out.total.backward()
        optimizer.step()
        history.append({k: float(v.detach()) for k, v in out.terms.items()})
    for name in ("match/a-b", "reconstruct/a", "reconstruct/b"):
        assert history[-1][name] < 0.5 * history[0][name], name
