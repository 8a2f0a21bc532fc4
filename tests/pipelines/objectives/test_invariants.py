"""What every registered objective must hold, whatever its options; one suite over the registry."""

import itertools
import math
from dataclasses import replace

import pytest
import torch
from example_world import (
    EDGES,
    WIDTH,
    Case,
    absent,
    ask,
    at,
    changed,
    filled,
    one_group,
    padded_over,
    redrawn,
    remember,
    stained,
    withheld,
    without,
)

from pipelines.objectives.entry import ObjectiveEntry
from workbench import registry

NEEDS = ("tokens", "labels", "ema", "views", "recon", "contrary", "memory")

COLLECTIVE = {"simdino": "its coding rate is that of the covariance of all rows together"}
"""Objectives that compare no two rows, by name, with the reason why their rows still interact."""


FOUR = math.log(4)
TEXTS = 0.5 * (FOUR + math.log(6))
CHANCE = {
    **dict.fromkeys(
        ("contrastive", "topk_filtered", "queue", "mined", "hcl", "mix", "gram", "sum", "late",
         "segment_attention", "mil_nce", "fdt"), FOUR,
    ),
    "contrary": (2 * TEXTS + 0.5 * FOUR) / 2.5,  # the edge without texts weighs half
    "sigmoid": 4 * math.log(2),
    "mv_infonce": math.log(11 / 2),
    "mv_dhel": 3 * math.log(3) + 2 / 0.5 - math.log(3),
    "simdino": -1 - (WIDTH + 4) / (WIDTH * 4) * 0.5 * math.log(1 + WIDTH / 0.05),
}  # fmt: skip
"""Loss of four complete rows that cannot be told apart, two contrary texts each, by objective."""

NO_CHANCE = {
    "byol": "without negatives nothing is told apart",
    "masked": "what it fills in depends on its first weights",
}
"""Objectives whose loss has no such value, by name, with the reason."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test one objective, or one example of the options of one."""
    entries = {n: registry.load("objectives", n) for n in registry.installed("objectives")}
    cases = [(n, i, Case(e, x)) for n, e in entries.items() for i, x in enumerate(e.examples)]
    pairwise = [
        (n, i, case) for n, i, case in cases
        if n not in COLLECTIVE and case.example.get("exclude_same_group", True)
    ]  # fmt: skip
    if "entry" in metafunc.fixturenames:
        metafunc.parametrize("entry", list(entries.values()), ids=list(entries))
    for name, found in (("case", cases), ("pairwise", pairwise)):
        if name in metafunc.fixturenames:
            ids = [f"{n}-{i}" for n, i, _ in found]
            metafunc.parametrize(name, [case for *_, case in found], ids=ids)


def close(one, two, tolerance=1e-5):
    """Whether two tensors agree, relative to the larger of them."""
    scale = max(float(one.abs().max()), float(two.abs().max()), 1e-6) if one.numel() else 1.0
    return float((one - two).abs().max()) <= tolerance * scale if one.numel() else True


def assert_same(one, two, tolerance=1e-5):
    """Check that two results have one loss and one gradient; a missing gradient is zero."""
    assert one.terms == two.terms
    assert one.loss == pytest.approx(two.loss, rel=tolerance, abs=tolerance)
    for found, other in ((one.vectors, two.vectors), (one.parameters, two.parameters)):
        for name in found.keys() | other.keys():
            known = found.get(name, other.get(name))
            first, second = (g.get(name, torch.zeros_like(known)) for g in (found, other))
            assert close(first, second, tolerance), name


def test_it_gives_the_suite_something_to_test(entry):
    assert isinstance(entry, ObjectiveEntry)
    assert entry.examples, "examples: one or more sets of options"
    assert entry.summary
    assert entry.papers


def test_it_says_which_columns_it_reads(case):
    columns = case.build().label_columns()
    needed = case.entry.needed(case.entry.options(**case.example))
    assert bool(columns) == ("labels" in needed)


def test_an_ordinary_batch_has_a_loss_and_moves_vectors(case, worlds):
    past, now = worlds
    found = ask(case.ready(past), now)
    assert found.terms
    assert torch.tensor(found.loss).isfinite()
    assert any(bool(g.abs().sum() > 0) for g in found.vectors.values())


def test_every_objective_of_this_project_has_a_chance_value_or_a_reason():
    own = registry.installed("modalities")["ecg"].distribution
    known = registry.installed("objectives").items()
    assert {n for n, p in known if p.distribution == own} == CHANCE.keys() | NO_CHANCE.keys()


@pytest.mark.parametrize("name", CHANCE)
def test_vectors_that_cannot_be_told_apart_cost_chance(name, worlds):
    entry = registry.load("objectives", name)
    alike = changed(one_group(worlds[1]), alike_and_apart)
    found = ask(Case(entry, entry.examples[0]).build(), alike)
    assert found.loss == pytest.approx(CHANCE[name], abs=2e-5)


def alike_and_apart(key, name, value):
    """Give every row one vector and a patient of its own."""
    if key == "items.group":
        return torch.arange(len(value))
    return torch.ones_like(value) if key.endswith((".emb", ".tokens")) else value


def test_the_order_of_the_rows_changes_nothing(case, worlds):
    past, now = worlds
    order = torch.tensor([3, 9, 0, 7, 5, 1, 8, 2, 6, 4])
    found, moved = ask(case.ready(past), now), ask(case.ready(past), at(now, order))
    back = {k: v[torch.argsort(order)] for k, v in moved.vectors.items()}
    assert_same(found, replace(moved, vectors=back))


def test_asking_twice_under_another_seed_of_torch_changes_nothing(case, worlds):
    past, now = worlds
    objective = case.ready(past)
    state = {k: v.clone() for k, v in objective.state_dict().items()}
    torch.manual_seed(1)
    one = ask(objective, now)
    torch.manual_seed(2)
    two = ask(objective, now)
    assert one.loss == two.loss
    for name, value in objective.state_dict().items():
        assert torch.equal(value, state[name]), f"forward changed {name}"


def test_a_modality_absent_everywhere_equals_leaving_it_out(case, worlds):
    named = set(map(str, case.example.values()))
    gone = next((n for n in ("c", "a", "b") if n not in named), "c")
    edges = [e for e in EDGES if gone not in (e.query, *e.candidates)]
    past, now = worlds
    full = case.build()
    small = case.build(edges)
    state, other = full.state_dict(), small.state_dict()
    for name, value in other.items():
        if name in state and state[name].shape == value.shape:
            value.copy_(state[name])
    remember(full, absent(past, gone))
    remember(small, without(past, gone))
    found, smaller = ask(full, absent(now, gone)), ask(small, without(now, gone))
    assert found.loss == pytest.approx(smaller.loss, rel=1e-5, abs=1e-6)
    for name, gradient in smaller.vectors.items():
        assert close(found.vectors[name], gradient), name


def test_absent_rows_get_exactly_no_gradient(case, worlds):
    past, now = worlds
    found = ask(case.ready(past), now)
    for key, gradient in found.vectors.items():
        name = key.rpartition(".")[2]
        there = (now.step.contrary[name].present if key.startswith("contrary")
                 else now.encoded.present[name])  # fmt: skip
        assert torch.equal(gradient[~there], torch.zeros_like(gradient[~there])), key


def test_what_stands_in_absent_rows_changes_nothing(case, worlds):
    past, now = worlds
    clean, dirty = ask(case.ready(past), now), ask(case.ready(stained(past)), stained(now))
    assert_same(clean, dirty, tolerance=1e-6)


def test_what_stands_in_the_padding_of_tokens_changes_nothing(case, worlds):
    past, now = worlds
    clean, dirty = ask(case.ready(past), now), ask(case.ready(padded_over(past)), padded_over(now))
    assert_same(clean, dirty, tolerance=1e-6)


def interaction(case, square):
    """Return how far the effect of one change depends on another, relative to the loss.

    Args:
        case: the objective.
        square: (past, now) worlds with neither change, the one, the other, and both.
    """
    neither, one, other, both = (ask(case.ready(past), now).loss for past, now in square)
    return abs(neither - one - other + both) / (1 + abs(neither))


def test_rows_of_one_patient_are_never_compared(pairwise, worlds):
    past, now = map(one_group, worlds)
    first = redrawn(now, 0, 30)
    square = [now, first, redrawn(now, 1, 31), redrawn(first, 1, 31)]
    assert interaction(pairwise, [(past, w) for w in square]) <= 2e-5


def test_remembered_rows_of_one_patient_are_never_compared(pairwise, worlds):
    past, now = map(one_group, worlds)
    pasts, nows = (past, redrawn(past, 2, 30)), (now, redrawn(now, 0, 31))
    assert interaction(pairwise, itertools.product(pasts, nows)) <= 2e-5


@pytest.mark.parametrize("kind", ["duplicates", "zeros", "one row", "one valid row", "bf16"])
def test_loss_and_gradient_stay_finite(case, worlds, kind):
    past, now = worlds
    if kind == "duplicates":
        now = filled(now, torch.ones_like)
    elif kind == "zeros":
        now = filled(now, torch.zeros_like)
    elif kind == "one row":
        now = at(now, torch.tensor([0]))
    elif kind == "one valid row":
        now = changed(now, only_first)
    found = ask(case.ready(past), now, autocast=kind == "bf16")
    assert torch.tensor(found.loss).isfinite()
    for name, gradient in (*found.vectors.items(), *found.parameters.items()):
        assert bool(gradient.isfinite().all()), name


def only_first(key, name, value):
    """Leave only the first row of every modality."""
    if not name:
        return value
    first = (torch.arange(len(value)) == 0).reshape(-1, *[1] * (value.ndim - 1))
    return torch.where(first, value, torch.full_like(value, -1 if "content" in key else 0))


def test_bf16_changes_little(case, worlds):
    past, now = worlds
    exact, rough = ask(case.ready(past), now), ask(case.ready(past), now, autocast=True)
    assert rough.loss == pytest.approx(exact.loss, rel=0.05, abs=0.05)


def test_its_state_is_saved_whole(case, worlds):
    past, now = worlds
    objective = case.ready(past)
    saved = {k: v.clone() for k, v in objective.state_dict().items()}
    other = case.build(seed=1)
    other.load_state_dict(saved)
    for name, value in other.state_dict().items():
        assert torch.equal(value, saved[name]), name
    for _ in range(2):
        assert ask(objective, now).loss == ask(other, now).loss
        for one in (objective, other):
            one.after_step(now.encoded, now.items, now.step)
    for name, value in other.state_dict().items():
        assert torch.equal(value, objective.state_dict()[name]), name


@pytest.mark.parametrize("need", NEEDS)
def test_what_it_does_not_ask_for_changes_nothing(case, worlds, need):
    if need in case.entry.needed(case.entry.options(**case.example)):
        columns = case.build().label_columns()
        if need == "labels" and len(columns) == 1:
            spare = "items.ranks"
        elif need == "labels":
            spare = "items.label"
        else:
            return
        less = tuple(blank(w, spare) for w in worlds)
    else:
        less = tuple(withheld(w, need) for w in worlds)
    past, now = worlds
    found, bare = ask(case.ready(past), now), ask(case.ready(less[0]), less[1])
    assert_same(found, bare, tolerance=0)


def blank(world, key):
    """Return the world without labels, or without ranks."""
    return replace(world, items=replace(world.items, **{key.rpartition(".")[2]: None}))


@pytest.mark.parametrize("count", [2, 3, 11])
def test_the_shares_of_all_processes_make_the_whole(case, worlds, count):
    past, now = worlds
    whole = ask(case.ready(past), now)
    objective = case.ready(past)
    parts = [ask(objective, replace(now, step=replace(now.step, rank=r, world=count)))
             for r in range(count)]  # fmt: skip
    share = 1.0 if objective.row_split else 1.0 / count
    assert {p.terms for p in parts} == {whole.terms}

    def added(kind):
        names = {n for p in parts for n in getattr(p, kind)}
        return {n: share * sum(getattr(p, kind).get(n, 0) for p in parts) for n in names}

    loss = share * sum(p.loss for p in parts)
    total = replace(whole, loss=loss, vectors=added("vectors"), parameters=added("parameters"))
    assert_same(whole, total)


def test_every_parameter_gets_a_gradient_and_moves(entry, worlds):
    past, now = worlds
    still: dict[str, bool] = {}
    for example in entry.examples:
        objective = Case(entry, example).ready(past)
        learned = {k: p for k, p in objective.named_parameters() if p.requires_grad}
        before = {k: p.detach().clone() for k, p in learned.items()}
        optimizer = torch.optim.SGD(learned.values(), lr=0.1) if learned else None
        pushed = set()
        for _ in range(3 if learned else 0):
            pushed |= {k for k, g in ask(objective, now).parameters.items() if bool((g != 0).any())}
            optimizer.step()
            objective.after_step(now.encoded, now.items, now.step)
        for name, value in learned.items():
            moved = name in pushed and not torch.equal(value, before[name])
            still[name] = still.get(name, True) and not moved
    assert [name for name, idle in still.items() if idle] == []
